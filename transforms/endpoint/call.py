"""One image's call: its attempts together, under one deadline, to an outcome. Never an exception, but for a bug."""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from .admission import Place, Refused, Waiter
from .client import Client, NoAnswer, NotSent, Reply
from .copies import Same, Shared
from .credentials import Credential
from .faults import FAULTS, LASTING_OBSTACLES, OBSTACLES, OUTAGE_FAULTS, UNSETTLED, Retry, Verdict, classify
from .fingerprint import request_fingerprint
from .fitting import MOST_ORIGINAL_BYTES, NotWanted
from .gate import INTERRUPTED, REOPENING_JITTER, Gate
from .guard import Guard
from .kept_secret import CredentialError, CredentialUnavailable
from .lane import Lanes, Permit
from .pacer import FIRST_PAUSE, LONGEST_PAUSE
from .payload import Payload, ReadFirst, Sent, check_signature, is_sent_as_url, payload_of, read_image, url_payload
from .pictures import PayloadFault
from .request import AnalyzeRequest
from .settings import CallSettings
from .settle import Attempt, Call, Outcome, Stamp, billed_units, utc_now
from .signatures import has_expired
from .uri import ImageRef

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0
WRONG_ENDPOINT_AFTER = 5.0  # seconds of nothing but refusals to connect, from an endpoint that never answered
FIRST_LIMITER_PAUSE, LONGEST_LIMITER_PAUSE = 0.1, 1.0

Result = Reply | NotSent | NoAnswer


class RateLimiter(Protocol):
    """What `apache_beam.io.components.rate_limiter.RateLimiter` offers."""

    def allow(self, hits_added: int = 1) -> bool: ...


class _Target(NamedTuple):
    """A resource, for a request: its connections, who we are there, and leave to call it."""

    client: Client
    credential: Credential
    permit: Permit


class Caller:
    """Calls for one image at a time, from as many threads as like.

    Args:
      lanes: of the resources, shared with others who call them.
      request: what is asked of every image.
      credentials: who we are, at each resource.
      settings: how calls are made.
      read_first: reads an image that is no URL.
      run_id: stamped on every outcome.
      rate_limiter: a limiter shared with other jobs, asked right before every attempt.
      may_call: whether the run is still ours to spend for, asked before every attempt.
      guard: ends the calls by limits.
      fit: the most pixels of a side that is sent as bytes; None sends images as they are.
    """

    def __init__(
        self,
        lanes: Lanes,
        request: AnalyzeRequest,
        credentials: Sequence[Credential],
        settings: CallSettings,
        read_first: ReadFirst,
        run_id: str = "",
        rate_limiter: RateLimiter | None = None,
        may_call: Callable[[], bool] | None = None,
        guard: Guard | None = None,
        fit: int | None = None,
    ) -> None:
        self._fit = fit
        self._guard = guard or Guard()
        self._may_call = may_call or (lambda: True)
        self._admission, self._budget, self._copies = lanes.admission, lanes.budget, lanes.copies
        self._targets = {
            lane.gate: _Target(lane.client(request, settings), credential, lane.permit)
            for lane, credential in zip(lanes.lanes, credentials, strict=True)
        }
        self._request, self._settings = request, settings
        self._read_first, self._rate_limiter = read_first, rate_limiter
        self._stamp = Stamp(request, request_fingerprint(request), run_id)

    def analyze(self, image: ImageRef, waiter: Waiter) -> Call:
        """The call of one image, ended.

        It has no outcome if the waiter gave up meanwhile; nor if it failed for the last time and it is to be seen whose
        fault that is (`settle`).
        """
        call = Call(image)
        try:
            if is_sent_as_url(image):
                if not self._is_over(call, waiter):
                    self._attempt_until_settled(call, url_payload(image), waiter)
            else:
                self._analyze_bytes(call, waiter)
        except NotWanted:
            pass  # its outcome says why, or nobody waits for one
        except PayloadFault as error:
            letter = self._stamp.dead_letter(call, Verdict(FAULTS[error.fault], str(error)), None)
            call.outcome = letter._replace(fit=self._fit if error.fault == "invalid_image" else None)
        return call

    def settle(self, call: Call, *, at_last: bool) -> None:
        """Settles a call that failed for the last time: is the image to blame, or the service?

        The image, once others were answered since it failed first (in fair weather: since it was tried first, or the
        last image of a list could never be to blame); or if it failed like this in an earlier run too. `at_last`, where
        nothing else is to come, nobody knows, and the image is deferred.
        """
        assert call.gate is not None
        breaker = call.gate.breaker
        since = call.first_failure if breaker.is_outage else call.first_failing
        assert since is not None
        assert call.last_failure is not None
        verdict, reply = call.last_failure
        assert verdict.fault is not None
        failed_before = call.image.failed_before and verdict.fault.name != "unreachable"
        if failed_before or breaker.answered_since(since):
            call.outcome = self._stamp.dead_letter(call, verdict, reply, call.gate.endpoint)
        elif call.gate.tripped:
            call.outcome = self._stamp.deferred(call, breaker.reason, breaker.detail)
        elif at_last:
            reason = UNSETTLED if breaker.answered_since(float("-inf")) else call.obstacle or "outage"
            billed = "; may have been billed" if call.unanswered else ""
            call.outcome = self._stamp.deferred(call, reason, f"{verdict.fault.name}: {verdict.message}{billed}")

    def not_again(self, image: ImageRef) -> Call:
        """The call of an image that a try which died has called, or may have: it is not made."""
        call = Call(image, unanswered=1)
        call.outcome = self._stamp.deferred(call, INTERRUPTED, "a try that died may have called it, and been billed")
        return call

    def _analyze_bytes(self, call: Call, waiter: Waiter) -> None:
        """Calls an image, or takes what another one with the same bytes comes to."""
        most, may_wait = self._request.max_image_bytes, True
        while not (call.has_ended or self._is_over(call, waiter)):
            first = self._call_up_to(most, call, waiter, may_wait)
            if first is None:
                most = MOST_ORIGINAL_BYTES
            elif outcome := first.result():
                call.outcome = self._stamp.copied(call, outcome)
            else:
                may_wait = False

    def _call_up_to(self, most: int, call: Call, waiter: Waiter, may_wait: bool) -> Future[Shared | None] | None:
        """What the first image with the same bytes comes to; None if this one was called, or is larger than `most`
        and to be fitted."""
        with self._budget.reserve(most) as shrink:
            if self._is_over(call, waiter):
                return None
            data, etag = read_image(call.image, most, self._read_first)
            if self._fit and most < len(data) and most < MOST_ORIGINAL_BYTES:
                return None
            shrink(len(data))
            digest = hashlib.sha256(data).hexdigest()
            call.sent = Sent(content_sha256=digest, content_etag=etag)
            same = Same(digest, self._stamp.fingerprint, self._fit, self._stamp.run_id)
            if first := self._copies.first(same, may_wait):
                return first
            try:
                payload = payload_of(data, self._request, self._fit, lambda: not self._is_over(call, waiter))
                del data
                call.sent = payload.sent._replace(content_sha256=digest, content_etag=etag)
                shrink(len(payload.body))
                self._attempt_until_settled(call, payload, waiter)
            finally:
                self._copies.ended(same, call.outcome)
            return None

    def _attempt_until_settled(self, call: Call, payload: Payload, waiter: Waiter) -> None:
        while not (call.has_ended or waiter.has_given_up or self._is_stopped(call)):
            waiting_since = time.monotonic()
            # In an outage, one that was only throttled, or refused for its token, is as good a probe as a new one.
            is_retry = bool(call.attempts) and not (self._admission.is_outage and call.last_failure is None)
            deadline = min(call.deadline, self._guard.ends_at)
            place = self._admission.enter(deadline, retry=is_retry, waiter=waiter, avoided=call.gate)
            if isinstance(place, Refused):
                if not self._is_stopped(call):
                    self._refused(call, place)
                continue
            backoff = 0.0
            with place:
                if self._may_send(call, place, waiter):
                    backoff = self._attempt(call, payload, place, waiting_since)
            if backoff:
                self._admission.pause(min(backoff, self._guard.ends_at - time.monotonic()), waiter)

    def _is_over(self, call: Call, waiter: Waiter) -> bool:
        """Whether an image is not to be called any more; its outcome says why, unless nobody waits for it."""
        if not self._is_stopped(call) and self._admission.is_closed:
            call.outcome = self._tripped(call)
        return call.outcome is not None or waiter.has_given_up

    def _is_stopped(self, call: Call) -> bool:
        """Whether a limit has ended the calls; that is the call's outcome then."""
        if why := self._guard.why_stopped():
            call.outcome = self._stamp.deferred(call, *why)
        return why is not None

    def _may_send(self, call: Call, place: Place, waiter: Waiter) -> bool:
        """The last look before the request: whatever took long, or was slept through, may have changed the answer."""
        if not (self._rate_limiter_allows(call, place, waiter) and self._may_call()):
            return False
        since = place.started if self._rate_limiter is None else time.monotonic()
        is_wanted = not waiter.has_given_up and self._guard.why_stopped() is None
        return self._targets[place.gate].permit.may_call() and place.is_due(since) and is_wanted

    def _rate_limiter_allows(self, call: Call, place: Place, waiter: Waiter) -> bool:
        """Asks the shared limiter, which may block, until it says yes; one that cannot be asked stops the spending."""
        if self._rate_limiter is None:
            return True
        pause = FIRST_LIMITER_PAUSE
        while not (place.gate.tripped or self._is_in_vain(call, waiter)):
            try:
                if self._rate_limiter.allow(hits_added=1):
                    return True
            except Exception as error:
                place.trip("rate_limiter", f"it cannot be asked: {type(error).__name__}")
                return False
            self._admission.pause(random.uniform(pause / 2, pause), waiter)
            pause = min(2 * pause, LONGEST_LIMITER_PAUSE)
        return False

    def _is_in_vain(self, call: Call, waiter: Waiter) -> bool:
        is_stopped = self._guard.why_stopped() is not None
        return is_stopped or waiter.has_given_up or time.monotonic() >= call.deadline

    def _attempt(self, call: Call, payload: Payload, place: Place, waiting_since: float) -> float:
        """One attempt; returns the seconds to pause before the next."""
        started = time.monotonic()
        if call.started_at is None:
            check_signature(call.image)  # again: it has waited for its place
            call.deadline = started + self._settings.call_deadline
            call.started_at = utc_now()
        try:
            headers = self._headers(payload, place.gate)
        except CredentialUnavailable as error:
            return self._without_credential(call, error, place)
        except CredentialError as error:
            place.trip("no_credential", str(error))
            return 0.0
        result = self._post(place.gate, payload, headers, call.deadline)
        is_served = isinstance(result, Reply) and result.status == 200
        if is_served:  # the next call starts before this answer is read
            place.answered()
            time.sleep(0)  # gives up the interpreter to the thread that has the place now
        call.ended_at = utc_now()
        verdict = self._classify(call, result)
        self._note(call, payload, result, verdict, started, waiting_since)
        if isinstance(result, Reply) and verdict.fault is None:
            call.outcome = self._stamp.analyzed(call, result, place.gate.endpoint)
        elif isinstance(result, Reply) and is_served:
            call.outcome = self._stamp.dead_letter(call, verdict, result, place.gate.endpoint)
        else:
            return self._after_fault(call, verdict, result, place, headers)
        return 0.0

    def _without_credential(self, call: Call, error: CredentialUnavailable, place: Place) -> float:
        """Nobody can call just now: an outage that no image is to blame for, and no attempt of any."""
        wait = error.wait or 0.0
        if wait > self._settings.max_wait:
            place.trip("no_credential", f"{error}, for {wait:g} s")
            return 0.0
        place.failed(None, f"unreachable: {error}")
        return min(max(wait, FIRST_BACKOFF), call.deadline - time.monotonic())

    def _post(self, gate: Gate, payload: Payload, headers: Mapping[str, str], ends_at: float) -> Result:
        try:
            return self._targets[gate].client.post(payload.body, headers, ends_at)
        except (NotSent, NoAnswer) as error:
            return error

    def _classify(self, call: Call, result: Result) -> Verdict:
        assert call.ended_at is not None
        verdict = classify(
            result,
            custom_model=bool(self._request.model_name),
            max_wait=self._settings.max_wait,
            now=call.ended_at.timestamp(),
        )
        if verdict.fault is FAULTS["rejected_image"] and has_expired(call.image.uri, call.ended_at.timestamp()):
            verdict = verdict._replace(fault=FAULTS["expired_url"])
        return verdict.scrubbed(call.image.uri) if verdict.fault else verdict

    def _after_fault(
        self, call: Call, verdict: Verdict, result: Result, place: Place, headers: Mapping[str, str]
    ) -> float:
        """Tells the process what it learned, then settles the call, or returns the pause before its next attempt."""
        fault = verdict.fault
        assert fault is not None
        if fault.name in OUTAGE_FAULTS:
            return self._after_failure(call, verdict, result, place)
        if fault.retry is Retry.WAIT:
            place.throttled(verdict.wait)
            return self._wait_of_refusal(call, verdict.wait)
        if fault.name == "unauthorized" and self._may_renew(call, place.gate, headers):
            call.refreshed.append(place.gate)
            place.answered()
        elif fault.systemic:
            place.trip(fault.name, verdict.message)
        else:
            place.answered()
            reply = result if isinstance(result, Reply) else None
            call.outcome = self._stamp.dead_letter(call, verdict, reply, place.gate.endpoint)
        return 0.0

    def _may_renew(self, call: Call, gate: Gate, headers: Mapping[str, str]) -> bool:
        """Whether a token was refused that can be had anew, for the first time."""
        return gate not in call.refreshed and self._targets[gate].credential.refused(headers)

    def _wait_of_refusal(self, call: Call, wait: float | None) -> float:
        """What the service asked for, for this image; it named nothing: longer each time. All within the deadline."""
        if wait is None:
            refusals = sum(attempt.result == "throttled" for attempt in call.attempts)
            wait = min(FIRST_PAUSE * 2 ** (refusals - 1), LONGEST_PAUSE)
        return min(wait * random.uniform(1, 1 + REOPENING_JITTER), call.deadline - time.monotonic())

    def _after_failure(self, call: Call, verdict: Verdict, result: Result, place: Place) -> float:
        assert verdict.fault is not None
        place.failed(call.first_failure, f"{verdict.fault.name}: {verdict.message}")
        call.gate = place.gate
        call.obstacle = OBSTACLES.get(result.kind) if isinstance(result, NotSent) else None
        if call.obstacle and _is_wrong_endpoint(call.obstacle, place.gate):
            place.trip(call.obstacle, verdict.message)
            return 0.0
        call.first_failing = call.first_failing or place.started
        call.first_failure = call.first_failure or time.monotonic()
        call.last_failure = verdict, result if isinstance(result, Reply) else None
        if verdict.fault.retry is Retry.AMBIGUOUS:
            call.unanswered += 1
        else:
            call.failures += 1
        is_spent = call.failures >= self._settings.max_attempts or call.paid > self._settings.ambiguous_retries
        backoff = random.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**call.failures))
        call.has_failed = is_spent or time.monotonic() + backoff >= call.deadline
        return 0.0 if place.gate.breaker.is_outage else backoff

    def _headers(self, payload: Payload, gate: Gate) -> dict[str, str]:
        return {
            "Content-Type": payload.content_type,
            "x-ms-client-request-id": str(uuid.uuid4()),
            **self._targets[gate].credential.headers(),
        }

    def _note(
        self, call: Call, payload: Payload, result: Result, verdict: Verdict, started: float, waiting_since: float
    ) -> None:
        call.attempts.append(
            Attempt(
                ended_at=time.time(),
                result=verdict.fault.name if verdict.fault else "answered",
                latency=time.monotonic() - started,
                waited=started - waiting_since,
                bytes_sent=len(payload.body),
                billed_units=billed_units(result) or 0,
                asked=self._request.billed_features,
            )
        )

    def _refused(self, call: Call, why: Refused) -> None:
        if why is Refused.TRIPPED:
            call.outcome = self._tripped(call)
        elif why is Refused.TAIL:
            call.has_failed = call.last_failure is not None
        elif why is Refused.DEADLINE:
            last = call.attempts[-1].result if call.attempts else "unreachable"
            reason = "throttled" if last == "throttled" else "outage"
            detail = f"no answer within the call's deadline of {self._settings.call_deadline:g} s; last: {last}"
            call.outcome = self._stamp.deferred(call, reason, detail)

    def _tripped(self, call: Call) -> Outcome:
        return self._stamp.deferred(call, *self._admission.why_closed())


def _is_wrong_endpoint(obstacle: str, gate: Gate) -> bool:
    """Whether waiting would not help.

    It never does for a certificate that is refused, or where one side only speaks TLS. A name, a port or a proxy
    may come back, but hardly those of an endpoint that has never answered.
    """
    silent_for = gate.breaker.silent_for(time.monotonic())
    return obstacle in LASTING_OBSTACLES or silent_for >= WRONG_ENDPOINT_AFTER
