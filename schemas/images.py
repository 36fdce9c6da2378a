"""Table `images`: one row per analyzed image; the lineage from any row to answer, request and run."""

from __future__ import annotations

from typing import Any

from .reading import Malformed, UnknownFields, exact_int, shown, text, the_object
from .rows import Rows
from .table import BOOL, FLOAT64, INT32, KEY, STRING, STRINGS, TIMESTAMP, TableSpec, column

_KNOWN_METADATA = frozenset({"width", "height"})
# Columns that are taken from the row of `responses`.
FROM_RESPONSE = (
    "features",
    "model_name",
    "api_version",
    "request_id",
    "region",
    "billed_units",
    "latency_ms",
    "attempts",
    "maybe_billed",
    "analyzed_at",
)


def flatten_image(answer: dict[str, Any], held: list[str], rows: Rows, unknown: UnknownFields) -> None:
    """A whole answer -> its row."""
    metadata = the_object(answer.get("metadata"), "metadata")
    unknown.check(metadata, _KNOWN_METADATA, "metadata")
    sides = {side: exact_int(metadata, side, "metadata") for side in ("width", "height")}
    for side, value in sides.items():
        if value < 1:
            raise Malformed(f"metadata.{side}", f"expected at least 1, got {shown(value)}")
    has_model = answer.get("customModelResult") is not None
    version = text(answer, "modelVersion", "$", required=not has_model)
    rows.add(
        1,
        width=[sides["width"]],
        height=[sides["height"]],
        model_version=[version],
        sections=[held],
    )


IMAGE_COLUMNS = (
    column("width", INT32, "width of the image", path="metadata.width", unit="pixel"),
    column("height", INT32, "height of the image", path="metadata.height", unit="pixel"),
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
        column("request_id", STRING, "apim-request-id: the id to quote to support", nullable=True),
        column("region", STRING, "x-ms-region: where the service ran", nullable=True),
        column("billed_units", INT32, "CSP-Billing-Usage: transactions billed for the answer", nullable=True),
        column("latency_ms", FLOAT64, "of the attempt that was answered", unit="millisecond"),
        column("attempts", INT32, "HTTP requests that the image took"),
        column("maybe_billed", BOOL, "whether an earlier attempt got no answer, and may have been billed too"),
        column("analyzed_at", TIMESTAMP, "when the answer came, UTC"),
    ),
    ("image_id", "fingerprint", "run_id"),
    section="metadata",
)
