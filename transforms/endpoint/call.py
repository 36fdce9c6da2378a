"""One image's call: its attempts together, under one deadline, to an outcome. Never an exception."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, BinaryIO, Protocol

from ...schemas.outcomes import Analyzed, DeadLetter, Deferred
from .admission import Admission, Refused
from .client import Client, NoAnswer, NotSent, Reply
from .credentials import Credential, CredentialError
from .faults import FAULTS, OUTAGE_FAULTS, Retry, Verdict, classify
from .fingerprint import request_fingerprint
from .payload import ByteBudget, Payload, PayloadFault, bytes_payload, is_sent_as_url, url_payload
from .request import AnalyzeRequest
from .settings import CallSettings
from .uri import ImageRef, scrub

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0
MAX_DEAD_LETTER_BODY = 64 * 1024
_BILLED_UNITS_HEADER = "CSP-Billing-Usage"

Outcome = Analyzed | DeadLetter | Deferred


class RateLimiter(Protocol):
    """What `apache_beam.io.components.rate_limiter.RateLimiter` offers."""

    def allow(self, hits_added: int = 1) -> bool: ...


@dataclass(frozen=True)
class Attempt:
    """One HTTP request, for the accounts: Unix time at its end, class (`answered` or a fault's name), seconds."""

    ended_at: float
    result: str
    latency: float
    waited: float
    bytes_sent: int
    billed_units: int


@dataclass
class Call:
    """A call and what it came to."""

    image: ImageRef
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome | None = None
    first_failure: float | None = None
    failures: int = 0
    unanswered: int = 0
    refreshed: bool = False
    deadline: float = float("inf")
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Caller:
    """Calls the endpoint for one image at a time, from as many threads as like. One per process.

    Args:
      endpoint: as `check_endpoint` returns it.
      request: what is asked of every image.
      credential: who we are.
      settings: how calls are made.
      open_file: opens an image that is no URL, for reading bytes.
      run_id: stamped on every outcome.
      rate_limiter: a limiter shared with other jobs, asked before every attempt.
    """

    def __init__(
        self,
        endpoint: str,
        request: AnalyzeRequest,
        credential: Credential,
        settings: CallSettings,
        open_file: Callable[[str], BinaryIO],
        run_id: str = "",
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self._request, self._credential, self._settings = request, credential, settings
        self._open_file, self._run_id, self._rate_limiter = open_file, run_id, rate_limiter
        self._fingerprint = request_fingerprint(request)
        self._client = Client(endpoint, request, settings.timeouts, settings.max_in_flight)
        self._budget = ByteBudget(settings.max_bytes_in_flight)
        self.admission = Admission(settings.max_in_flight, settings.requests_per_second, settings.outage_patience)

    def analyze(self, image: ImageRef) -> Call:
        """The call of one image, ended."""
        call = Call(image)
        try:
            if self.admission.tripped:
                call.outcome = self._deferred(call)
            elif is_sent_as_url(image):
                self._attempt_until_settled(call, url_payload(image))
            else:
                self._analyze_bytes(call)
        except PayloadFault as error:
            call.outcome = self._dead_letter(call, Verdict(FAULTS[error.fault], str(error)), None)
        return call

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _analyze_bytes(self, call: Call) -> None:
        with self._budget.reserve(self._request.max_image_bytes) as shrink:
            payload = bytes_payload(call.image, self._request, self._open_file)
            shrink(len(payload.body))
            self._attempt_until_settled(call, payload)

    def _attempt_until_settled(self, call: Call, payload: Payload) -> None:
        while call.outcome is None:
            waiting_since = time.monotonic()
            if not self._rate_limiter_allows():
                continue
            refused = self.admission.enter(call.deadline, retry=bool(call.attempts))
            if refused is Refused.TRIPPED:
                call.outcome = self._deferred(call)
            elif refused is Refused.DEADLINE:
                call.outcome = self._out_of_time(call)
            else:
                self._attempt(call, payload, waiting_since)

    def _rate_limiter_allows(self) -> bool:
        """Asks the shared limiter, which may block; one that cannot be asked stops the spending."""
        if self._rate_limiter is None or self.admission.tripped:
            return True
        try:
            return self._rate_limiter.allow(hits_added=1)
        except Exception as error:
            self.admission.trip("rate_limiter", f"it cannot be asked: {type(error).__name__}", leaving=False)
            return True

    def _attempt(self, call: Call, payload: Payload, waiting_since: float) -> None:
        started = time.monotonic()
        if not call.attempts:
            call.deadline = started + self._settings.call_deadline
            call.started_at = _utc_now()
        try:
            headers = self._headers(payload)
        except CredentialError as error:
            self.admission.trip("unauthorized", str(error))
            return
        result = self._post(payload, headers, call.deadline)
        is_served = isinstance(result, Reply) and result.status == 200
        if is_served:  # the next call starts before this answer is read
            self.admission.answered(started)
            time.sleep(0)  # gives up the interpreter to the thread that has the place now
        call.ended_at = _utc_now()
        verdict = classify(
            result,
            custom_model=bool(self._request.model_name),
            max_wait=self._settings.max_wait,
            now=call.ended_at.timestamp(),
        )
        self._note(call, payload, result, verdict, started, waiting_since)
        if verdict.fault is not None:
            verdict = verdict._replace(message=scrub(verdict.message, call.image.uri))
        if isinstance(result, Reply) and verdict.fault is None:
            call.outcome = self._analyzed(call, result)
        elif is_served:
            call.outcome = self._dead_letter(call, verdict, result)
        else:
            self._after_fault(call, verdict, result, started)

    def _post(self, payload: Payload, headers: Mapping[str, str], ends_at: float) -> Reply | NotSent | NoAnswer:
        try:
            return self._client.post(payload.body, headers, ends_at)
        except (NotSent, NoAnswer) as error:
            return error

    def _after_fault(self, call: Call, verdict: Verdict, result: Any, started: float) -> None:
        """Tells the process what it learned, then settles the call or leaves it to go on."""
        fault = verdict.fault
        assert fault is not None
        if fault.name in OUTAGE_FAULTS:
            outage = self.admission.failed(started, call.first_failure, f"{fault.name}: {verdict.message}")
            call.first_failure = call.first_failure or time.monotonic()
            self._after_failure(call, verdict, result, outage)
        elif fault.retry is Retry.WAIT:
            self.admission.throttled(started, verdict.wait)
        elif fault.name == "unauthorized" and not call.refreshed and self._credential.refresh():
            call.refreshed = True
            self.admission.answered(started)
        elif fault.systemic:
            self.admission.trip(fault.name, verdict.message)
        else:
            self.admission.answered(started)
            call.outcome = self._dead_letter(call, verdict, result)

    def _after_failure(self, call: Call, verdict: Verdict, result: Any, outage: bool) -> None:
        assert verdict.fault is not None
        if verdict.fault.retry is Retry.AMBIGUOUS:
            call.unanswered += 1
            settled = call.unanswered > self._settings.ambiguous_retries
        else:
            call.failures += 0 if outage else 1
            settled = call.failures >= self._settings.max_attempts
        backoff = random.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**call.failures))
        if settled or (not outage and time.monotonic() + backoff >= call.deadline):
            call.outcome = self._dead_letter(call, verdict, result)
        elif not outage:
            self.admission.pause(backoff)

    def _headers(self, payload: Payload) -> dict[str, str]:
        return {
            "Content-Type": payload.content_type,
            "x-ms-client-request-id": str(uuid.uuid4()),
            **self._credential.headers(),
        }

    def _note(
        self,
        call: Call,
        payload: Payload,
        result: Any,
        verdict: Verdict,
        started: float,
        waiting_since: float,
    ) -> None:
        call.attempts.append(
            Attempt(
                ended_at=time.time(),
                result=verdict.fault.name if verdict.fault else "answered",
                latency=time.monotonic() - started,
                waited=started - waiting_since,
                bytes_sent=len(payload.body),
                billed_units=_billed_units(result) or 0,
            )
        )

    def _analyzed(self, call: Call, reply: Reply) -> Analyzed:
        return Analyzed(
            image_id=call.image.image_id,
            image_uri=call.image.image_uri,
            fingerprint=self._fingerprint,
            run_id=self._run_id,
            api_version=self._request.api_version,
            features=self._request.features,
            model_name=self._request.model_name or None,
            body=reply.body.decode("utf-8"),
            request_id=_request_id(reply),
            region=reply.headers.get("x-ms-region"),
            billed_units=_billed_units(reply),
            latency_ms=round(call.attempts[-1].latency * 1000, 3),
            attempts=len(call.attempts),
            maybe_billed=call.unanswered > 0,
            bytes_sent=call.attempts[-1].bytes_sent,
            redrive_count=call.image.redrive_count,
            analyzed_at=call.ended_at or _utc_now(),
        )

    def _dead_letter(self, call: Call, verdict: Verdict, result: Any) -> DeadLetter:
        fault = verdict.fault
        assert fault is not None
        reply = result if isinstance(result, Reply) else None
        first_us = call.image.first_attempt_us
        first = datetime.fromtimestamp(first_us / 1e6, timezone.utc) if first_us is not None else call.started_at
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
            first_attempt_at=first,
            last_attempt_at=call.ended_at,
            request_id=_request_id(reply),
            region=reply.headers.get("x-ms-region") if reply else None,
            billed_units=sum(attempt.billed_units for attempt in call.attempts) or None,
            fingerprint=self._fingerprint,
            redrive_count=call.image.redrive_count,
            body=scrub(reply.body[:MAX_DEAD_LETTER_BODY].decode("utf-8", "replace"), call.image.uri) if reply else None,
            run_id=self._run_id,
        )

    def _deferred(self, call: Call, reason: str = "", detail: str = "") -> Deferred:
        breaker = self.admission.breaker
        return Deferred(
            image_id=call.image.image_id,
            image_uri=call.image.image_uri,
            reason=reason or breaker.reason,
            detail=detail or breaker.detail,
            fingerprint=self._fingerprint,
            run_id=self._run_id,
        )

    def _out_of_time(self, call: Call) -> Deferred:
        seconds = f"{self._settings.call_deadline:g} s"
        last = call.attempts[-1].result
        reason = "throttled" if last == "throttled" else "outage"
        return self._deferred(call, reason, f"no answer within the call's deadline of {seconds}; last: {last}")


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def _request_id(reply: Reply | None) -> str | None:
    return (reply.headers.get("apim-request-id") or reply.headers.get("request-id")) if reply else None


def _billed_units(result: object) -> int | None:
    """Transactions in `CSP-Billing-Usage: CognitiveServices.ComputerVision.Transaction=1`."""
    header = result.headers.get(_BILLED_UNITS_HEADER) if isinstance(result, Reply) else None
    numbers = [part.rpartition("=")[2].strip() for part in header.split(",")] if header else []
    return sum(int(number) for number in numbers if number.isdigit()) if numbers else None
