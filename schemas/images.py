"""Table `images`: one row per analyzed image; the lineage from any row to answer, request and run."""

from __future__ import annotations

from collections.abc import Sequence

from .reading import Objects, Rows
from .table import CALL, COPY_OF, INT32, KEY, SENT, STRING, STRINGS, TIMESTAMP, TableSpec, column


def flatten(answers: Objects, sections: Sequence[str]) -> Rows:
    """Whole answers -> a row each; `sections` are the names of those that have a table."""
    metadata = answers.child("metadata")
    metadata.know("width", "height")
    return Rows(
        answers,
        width=metadata.ints("width", minimum=1),
        height=metadata.ints("height", minimum=1),
        model_version=answers.strings("modelVersion", required=False),
        sections=answers.held(sections),
    )


IMAGE_COLUMNS = (
    column("width", INT32, "width of the image, in the frame of its boxes", path="metadata.width", unit="pixel"),
    column("height", INT32, "height of the image, in the frame of its boxes", path="metadata.height", unit="pixel"),
    column("sections", STRINGS, "the sections that the answer held; asked and not here: the service left it out"),
    column("model_version", STRING, "version of the service's model", path="modelVersion", nullable=True),
)

TABLE = TableSpec(
    "images",
    "one row per analyzed image",
    (
        *KEY,
        *IMAGE_COLUMNS,
        column("features", STRINGS, "the features that were asked; empty with a custom model"),
        column("model_name", STRING, "the custom model that was asked", nullable=True),
        column("api_version", STRING, "the api-version that was asked"),
        *CALL,
        column("analyzed_at", TIMESTAMP, "when the answer came, UTC"),
        *SENT,
        COPY_OF,
    ),
    ("image_id", "fingerprint", "run_id"),
    section="metadata",
)
