"""Table `deferred`: images that were not answered through no fault of their own; the next run calls them first."""

from __future__ import annotations

from .table import STRING, TableSpec, column

TABLE = TableSpec(
    "deferred",
    "images left for a later run: outage, spent quota, wrong key, over the budget, too many dead letters",
    (
        column("image_id", STRING, "hash of the canonical image URI, 32 hex digits"),
        column("image_uri", STRING, "the image's URI as given, without userinfo and signature"),
        column(
            "reason",
            STRING,
            "why: a systemic fault, or one of outage, throttled, over_budget, …: docs/outcomes.md",
        ),
        column("detail", STRING, "what was seen"),
        column("fingerprint", STRING, "hash of what was to be asked"),
        column("run_id", STRING, "the run that deferred it"),
    ),
    ("image_id", "fingerprint", "run_id"),
    "record",
)
