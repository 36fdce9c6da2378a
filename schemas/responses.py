"""Table `responses`: every answer as it came, also one that no other table can hold. `reflatten` reads it."""

from __future__ import annotations

from .table import CALL, COPY_OF, INT32, INT64, KEY, SENT, STRING, STRINGS, TIMESTAMP, TableSpec, column

TABLE = TableSpec(
    "responses",
    "every answer as it came, with the facts of its call; one without a row in images is a dead letter",
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
        column("first_attempt_at", TIMESTAMP, "first attempt of all runs, UTC", nullable=True, since=2),
        column("endpoint", STRING, "the resource that answered", nullable=True, since=2),
        *SENT,
        column("original_width", INT32, "width of a fitted image, as stored", unit="pixel", nullable=True, since=3),
        column("original_height", INT32, "height of a fitted image, as stored", unit="pixel", nullable=True, since=3),
        COPY_OF,
    ),
    ("image_id", "fingerprint", "run_id"),
    "record",
)
