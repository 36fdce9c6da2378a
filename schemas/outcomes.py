"""What becomes of an image: immutable records whose fields are the columns of their `table`, in order."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Analyzed(NamedTuple):
    """An answer. `body` is the JSON as received; times are UTC; `latency_ms` is the answering attempt's."""

    image_id: str
    image_uri: str
    fingerprint: str
    run_id: str
    api_version: str
    features: tuple[str, ...]
    model_name: str | None
    body: str
    request_id: str | None
    region: str | None
    billed_units: int | None
    latency_ms: float
    attempts: int
    maybe_billed: bool
    bytes_sent: int
    redrive_count: int
    analyzed_at: datetime
    first_attempt_at: datetime | None = None
    endpoint: str | None = None
    fit: int | None = None
    sent_width: int | None = None
    sent_height: int | None = None
    sent_bytes: int | None = None
    sent_format: str | None = None
    content_bytes: int | None = None
    content_sha256: str | None = None
    content_etag: str | None = None
    original_width: int | None = None
    original_height: int | None = None
    copy_of: str | None = None

    @property
    def table(self) -> str:
        return "responses"


class DeadLetter(NamedTuple):
    """An image that failed for good. `fault_class` is the column `class`; `body` is bounded."""

    image_id: str
    image_uri: str
    fault_class: str
    http_status: int | None
    code: str | None
    inner_code: str | None
    message: str
    retryable: bool
    maybe_billed: bool
    attempts: int
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    request_id: str | None
    region: str | None
    billed_units: int | None
    fingerprint: str
    redrive_count: int
    body: str | None
    run_id: str
    endpoint: str | None = None
    fit: int | None = None
    copy_of: str | None = None

    @property
    def table(self) -> str:
        return "dead_letters"


class Deferred(NamedTuple):
    """An image that was not answered through no fault of its own."""

    image_id: str
    image_uri: str
    reason: str
    detail: str
    fingerprint: str
    run_id: str

    @property
    def table(self) -> str:
        return "deferred"


class InputReference(NamedTuple):
    """One line, row or file of a list, with the image that it names or the mistake in it."""

    list: str
    position: int
    uri: str | None
    image_id: str | None
    path: str | None
    raw: str | None
    mistake: str | None
    line_id: str | None
    former_id: str | None
    run_id: str

    @property
    def table(self) -> str:
        return "inputs"
