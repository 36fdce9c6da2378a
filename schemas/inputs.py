"""Table `inputs`: what the lists said, line by line; the way from a list to every other table and back."""

from __future__ import annotations

from .table import INT64, STRING, TableSpec, column

TABLE = TableSpec(
    "inputs",
    "one row per line, row or file of the lists, written once for each content of a list; the manifests of the runs "
    "that read it name the run that holds it",
    (
        column("list", STRING, "the list, or of image files the pattern, as it was named"),
        column("position", INT64, "line or row in it, from 1; of a file that a pattern matches, 0"),
        column("uri", STRING, "the URI as given, without userinfo and signature", nullable=True),
        column("image_id", STRING, "the image; null where the line names none", nullable=True),
        column("path", STRING, "absolute path of an image on a disk", nullable=True),
        column("raw", STRING, "what stands where a URI should: its beginning, without secrets", nullable=True),
        column("mistake", STRING, "why no image can be read by it", nullable=True),
        column("line_id", STRING, "of a line that names no image: its image_id in dead_letters", nullable=True),
        column("former_id", STRING, "the id that an earlier version gave the image, if another", nullable=True),
        column("run_id", STRING, "the run that wrote the row"),
    ),
    (),
    "record",
)
