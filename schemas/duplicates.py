"""Table `duplicates`: further references of an image in one input; they share its one call and its one row."""

from __future__ import annotations

from .table import STRING, TableSpec, column

TABLE = TableSpec(
    "duplicates",
    "further references of images in the same input (written with --with_duplicates)",
    (
        column("image_id", STRING, "the image that it is the same as"),
        column("image_uri", STRING, "the URI as given, without userinfo and signature"),
        column("run_id", STRING, "the run that saw it"),
    ),
    (),
    "record",
    optional=True,
)
