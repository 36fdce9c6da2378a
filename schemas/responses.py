"""Table `responses`: every answer as it came. From it `reflatten` rebuilds all section tables without a call."""

from __future__ import annotations

from .table import CALL, INT32, INT64, KEY, STRING, STRINGS, TIMESTAMP, TableSpec, column

TABLE = TableSpec(
    "responses",
    "every answer as it came, with the facts of its call",
    (
        *KEY,
        column("api_version", STRING, "the api-version that was asked"),
        column("features", STRINGS, "the features that were asked; empty with a custom model"),
        column("model_name", STRING, "the custom model that was asked", nullable=True),
        column("body", STRING, "the JSON exactly as received"),
        *CALL,
        column("bytes_sent", INT64, "size of the request's body", unit="byte"),
        column("redrive_count", INT32, "how often the image had been called again after a dead letter"),
        column("analyzed_at", TIMESTAMP, "when the answer came, UTC"),
    ),
    ("image_id", "fingerprint", "run_id"),
    "record",
)
