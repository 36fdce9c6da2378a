"""From a call that has ended to its outcome: the records that go to the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

from ...schemas.outcomes import Analyzed, DeadLetter, Deferred
from .client import Reply
from .faults import Verdict
from .gate import Gate
from .headers import header_text, transactions
from .payload import BY_URL, Sent
from .redaction import scrub, scrub_answer
from .request import AnalyzeRequest
from .uri import ImageRef

MAX_DEAD_LETTER_BODY = 64 * 1024

Outcome = Analyzed | DeadLetter | Deferred


@dataclass(frozen=True)
class Attempt:
    """One HTTP request, for the accounts: Unix time at its end, class (`answered` or a fault's name), seconds.

    `asked`: the features that it asked for.
    """

    ended_at: float
    result: str
    latency: float
    waited: float
    bytes_sent: int
    billed_units: int
    asked: tuple[str, ...] = ()

    @property
    def is_billed(self) -> bool:
        """Whether it was answered, or the reply says that it is billed."""
        return self.billed_units > 0 or self.result in ("answered", "malformed_response")


@dataclass
class Call:
    """A call and what it came to. Times are of the monotonic clock, but `started_at` and `ended_at` (UTC)."""

    image: ImageRef
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome | None = None
    first_failing: float | None = None  # when the first attempt that failed began
    first_failure: float | None = None  # when it ended
    last_failure: tuple[Verdict, Reply | None] | None = None
    gate: Gate | None = None  # of the last failure
    obstacle: str | None = None
    failures: int = 0
    unanswered: int = 0
    has_failed: bool = False
    refreshed: list[Gate] = field(default_factory=list)  # where a token was renewed for it
    is_kept: bool = False  # its outcome is in a journal, or on its way there
    sent: Sent = BY_URL
    deadline: float = float("inf")
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether there is an outcome, or the last failure of one that is still to be settled."""
        return self.has_failed or self.outcome is not None

    @property
    def paid(self) -> int:
        """How many of its attempts are billed, at the most."""
        return self.unanswered + sum(attempt.is_billed for attempt in self.attempts)

    @property
    def is_to_be_kept(self) -> bool:
        """Whether its outcome would be lost with the bundle: of a call that was made, by itself or by a copy.

        What is deferred may be called by the next try, but where it may have been billed.
        """
        if self.outcome is None or isinstance(self.outcome, Deferred):
            return self.outcome is not None and self.paid > 0
        return bool(self.attempts) or self.outcome.copy_of is not None


@dataclass(frozen=True)
class Stamp:
    """What every outcome of a step says alike, and how each is made of a call."""

    request: AnalyzeRequest
    fingerprint: str
    run_id: str

    def analyzed(self, call: Call, reply: Reply, endpoint: str) -> Analyzed:
        """The answer of a call."""
        return Analyzed(
            image_id=call.image.image_id,
            image_uri=call.image.image_uri,
            fingerprint=self.fingerprint,
            run_id=self.run_id,
            api_version=self.request.api_version,
            features=tuple(self.request.features),
            model_name=self.request.model_name or None,
            body=scrub_answer(reply.body.decode("utf-8"), call.image.uri),
            request_id=request_id(reply),
            region=header_text(reply.headers.get("x-ms-region")),
            billed_units=billed_units(reply),
            latency_ms=round(call.attempts[-1].latency * 1000, 3),
            attempts=len(call.attempts),
            maybe_billed=call.unanswered > 0,
            bytes_sent=call.attempts[-1].bytes_sent,
            redrive_count=call.image.redrive_count,
            analyzed_at=call.ended_at or utc_now(),
            first_attempt_at=_first_attempt(call),
            endpoint=endpoint,
            **call.sent._asdict(),
        )

    def copied(self, call: Call, outcome: Analyzed | DeadLetter) -> Analyzed | DeadLetter:
        """What another image with the same bytes came to, as the outcome of this one: it took no call."""
        if isinstance(outcome, Analyzed):
            outcome = outcome._replace(bytes_sent=0, content_etag=call.sent.content_etag)
        return outcome._replace(
            image_id=call.image.image_id,
            image_uri=call.image.image_uri,
            billed_units=None,
            attempts=0,
            maybe_billed=False,
            redrive_count=call.image.redrive_count,
            first_attempt_at=_first_attempt(call) or outcome.first_attempt_at,
            copy_of=outcome.image_id,
        )

    def dead_letter(self, call: Call, verdict: Verdict, reply: Reply | None, endpoint: str | None = None) -> DeadLetter:
        """The failure of a call, for its image's or the service's fault."""
        fault = verdict.fault
        assert fault is not None
        return DeadLetter(
            image_id=call.image.image_id,
            image_uri=call.image.image_uri,
            fault_class=fault.name,
            http_status=reply.status if reply else None,
            code=verdict.code,
            inner_code=verdict.inner_code,
            message=verdict.message,
            retryable=fault.retryable,
            maybe_billed=call.unanswered > 0,
            attempts=len(call.attempts),
            first_attempt_at=_first_attempt(call),
            last_attempt_at=call.ended_at,
            request_id=request_id(reply),
            region=header_text(reply.headers.get("x-ms-region")) if reply else None,
            billed_units=sum(attempt.billed_units for attempt in call.attempts) or None,
            fingerprint=self.fingerprint,
            redrive_count=call.image.redrive_count,
            body=scrub(reply.body[:MAX_DEAD_LETTER_BODY].decode("utf-8", "replace"), call.image.uri) if reply else None,
            run_id=self.run_id,
            endpoint=endpoint,
        )

    def deferred(self, call: Call, reason: str, detail: str) -> Deferred:
        """A call that says nothing of its image."""
        image = call.image
        return Deferred(image.image_id, image.image_uri, reason, detail, self.fingerprint, self.run_id)


def _first_attempt(call: Call) -> datetime | None:
    """In this run, or in the first one that tried the image."""
    first_us = call.image.first_attempt_us
    return datetime.fromtimestamp(first_us / 1e6, timezone.utc) if first_us is not None else call.started_at


def utc_now() -> datetime:
    """The time of outcomes."""
    return datetime.now(timezone.utc)


def request_id(reply: Reply | None) -> str | None:
    if reply is None:
        return None
    return header_text(reply.headers.get("apim-request-id")) or header_text(reply.headers.get("request-id"))


def billed_units(result: object) -> int | None:
    """What a reply says that it cost, in transactions."""
    return transactions(result.headers.get("CSP-Billing-Usage")) if isinstance(result, Reply) else None
