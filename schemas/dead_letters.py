"""Table `dead_letters`: images that failed for good, each with whose fault it was and what it cost."""

from __future__ import annotations

from .table import BOOL, COPY_OF, INT32, STRING, TIMESTAMP, TableSpec, column

TABLE = TableSpec(
    "dead_letters",
    "images that failed for good in a run",
    (
        column("image_id", STRING, "hash of the canonical image URI, 32 hex digits"),
        column("image_uri", STRING, "the image's URI as given, without userinfo and signature"),
        column("class", STRING, "class of the fault; see docs/outcomes.md"),
        column("http_status", INT32, "status of the last reply, if there was one", nullable=True),
        column("code", STRING, "the service's error code", path="error.code", nullable=True),
        column("inner_code", STRING, "the service's inner error code", path="error.innererror.code", nullable=True),
        column("message", STRING, "what went wrong"),
        column("retryable", BOOL, "whether a later run may succeed"),
        column("maybe_billed", BOOL, "whether an attempt got no answer, and may have been billed"),
        column("attempts", INT32, "HTTP requests that the image took in this run"),
        column("first_attempt_at", TIMESTAMP, "first attempt of all runs, UTC", nullable=True),
        column("last_attempt_at", TIMESTAMP, "last attempt, UTC", nullable=True),
        column("request_id", STRING, "apim-request-id of the last reply", nullable=True),
        column("region", STRING, "x-ms-region of the last reply", nullable=True),
        column("billed_units", INT32, "CSP-Billing-Usage: transactions billed for all attempts", nullable=True),
        column("fingerprint", STRING, "hash of what was asked; the manifest of the run spells it out"),
        column("redrive_count", INT32, "how often the image had been called again in later runs"),
        column(
            "body",
            STRING,
            "the last reply, at most 64 KiB of it; an answer that is JSON but not the contract is whole in responses",
            nullable=True,
        ),
        column("run_id", STRING, "the run in which it failed"),
        column("endpoint", STRING, "the resource of the last attempt, if there was one", nullable=True, since=2),
        column("fit", INT32, "`--fit` of the run, of an invalid_image; null: none", nullable=True, since=3),
        COPY_OF,
    ),
    ("image_id", "fingerprint", "run_id"),
    "record",
)
