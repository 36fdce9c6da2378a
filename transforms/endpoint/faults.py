"""Whose fault was it? The decision table of this package, and the one function that reads a reply by it.

`FAULTS` is the table: one row per class of fault, with who is to blame, how the call goes on, and whether a
later run may try again. `classify` finds the row for what came back; it matches on the status and the
codes of the body, and looks at the message only where the service gives no code.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple

from ...schemas import answer_problem
from .client import NoAnswer, NotSent, Obstacle, Reply
from .redaction import scrub
from .retry_after import wait_asked_for


class Retry(Enum):
    """How the call goes on after a fault."""

    NEVER = "never"
    WAIT = "wait"  # until the service lets us, inside the call's deadline
    BACKOFF = "backoff"  # few attempts, exponentially further apart
    AMBIGUOUS = "ambiguous"  # may have been billed: at most `ambiguous_retries`


@dataclass(frozen=True)
class Fault:
    """One row of the decision table.

    `cause`: what happened. `fix`: what a person can do about it, for the last line of a run and for the report.
    `retry`: in this run. `systemic`: the next image would fare no better. `retryable`: a later run may succeed.
    """

    name: str
    cause: str
    fix: str
    retry: Retry = Retry.NEVER
    systemic: bool = False
    retryable: bool = False


def _table(*faults: Fault) -> dict[str, Fault]:
    return {fault.name: fault for fault in faults}


FAULTS = _table(
    # name, what happened, what to do
    Fault(
        "invalid_uri",
        "the URI is malformed, its scheme is not supported, or there is none where the list should have one",
        "correct the URI in the list",
    ),
    Fault(
        "expired_url",
        "the signature of the URL has expired; seen before the call, or when the service refused the image",
        "list the image again with a fresh signature",
        retryable=True,
    ),
    Fault(
        "unreadable_image",
        "the bytes cannot be read: missing, forbidden, or the storage failed",
        "check that the file exists and may be read",
        retryable=True,
    ),
    Fault(
        "invalid_image",
        "0 bytes, too many bytes, not a supported format, or sides out of range; seen before any call",
        "convert or resize the image to what the service accepts, or let --fit 16000 do so",
    ),
    Fault(
        "rejected_image",
        "400 about this image: URL not accessible, format, size, content; 413, 415, 422",
        "see the message of the service for this image",
    ),
    Fault(
        "rejected_request",
        "400 about what is asked: feature, language, ratio, region",
        "correct the features, language, ratios or region of the request",
        systemic=True,
    ),
    Fault(
        "unauthorized",
        "401, or 403 that does not speak of quota, also after one new token",
        "check VISION_KEY and that it belongs to the --endpoint",
        systemic=True,
    ),
    Fault(
        "no_credential", "the key or token cannot be had", "see what it says of the key, secret or token", systemic=True
    ),
    Fault(
        "unknown_host",
        "the name of an endpoint that never answered does not resolve",
        "check the spelling of --endpoint, and the name server of this machine",
        systemic=True,
        retryable=True,
    ),
    Fault(
        "untrusted_certificate",
        "the endpoint's certificate is refused",
        "check the host of --endpoint; behind a proxy that opens TLS, set REQUESTS_CA_BUNDLE to its certificates",
        systemic=True,
        retryable=True,
    ),
    Fault(
        "wrong_scheme",
        "https to a port that speaks no TLS, or http to one that speaks nothing else",
        "check the scheme (https or http) and the port of --endpoint",
        systemic=True,
        retryable=True,
    ),
    Fault(
        "connection_refused",
        "nobody listens at an endpoint that never answered",
        "check the host and port of --endpoint, and the firewall",
        systemic=True,
        retryable=True,
    ),
    Fault(
        "no_proxy",
        "the proxy to an endpoint that never answered does not connect us",
        "check HTTPS_PROXY and NO_PROXY, and that the proxy allows the host of --endpoint",
        systemic=True,
        retryable=True,
    ),
    Fault(
        "unknown_model",
        "404 with a custom model",
        "check --model_name and that the model lives in this resource",
        systemic=True,
    ),
    Fault(
        "unknown_endpoint",
        "404 with features, 405, or a status that the service does not give: a redirect, 101, 999",
        "check the host of --endpoint, and its path: a resource has none, a gateway may",
        systemic=True,
    ),
    Fault("retired_version", "410", "use an --api_version that is still served", systemic=True),
    Fault(
        "quota_spent",
        "403 that speaks of quota, or a pause longer than --max_wait",
        "wait for the quota to be replenished, or raise it, then run again",
        systemic=True,
        retryable=True,
    ),
    Fault(
        "throttled",
        "429, or 503 with Retry-After",
        "run again, with a lower --requests_per_second",
        retry=Retry.WAIT,
        retryable=True,
    ),
    Fault(
        "service_error",
        "5xx, and whatever other 4xx says nothing of the image or the request, such as 408, 425",
        "run again when the service is well",
        retry=Retry.BACKOFF,
        retryable=True,
    ),
    Fault(
        "unreachable",
        "no connection (refused, DNS, TLS), or the request did not get out whole; not billed",
        "check the network and the host of --endpoint, then run again",
        retry=Retry.BACKOFF,
        retryable=True,
    ),
    Fault(
        "unanswered",
        "sent, then no complete answer: time-out, cut; may have been billed",
        "run again; the call may have been billed",
        retry=Retry.AMBIGUOUS,
        retryable=True,
    ),
    Fault(
        "malformed_response",
        "200 that is not the contract: not JSON, wrong types, a proxy's page",
        "see the body; a proxy may stand in between",
    ),
)

# Faults in which nothing shows that the service works at all: in a row they are an outage.
OUTAGE_FAULTS = frozenset({"service_error", "unreachable", "unanswered"})
# Why an image is deferred that failed for good after the last answer to anybody: the next run tells whose fault it is.
UNSETTLED = "unsettled"

# What keeps us from an endpoint, as a class of its own: waiting would not help.
OBSTACLES = {
    Obstacle.NAME: "unknown_host",
    Obstacle.CERTIFICATE: "untrusted_certificate",
    Obstacle.SCHEME: "wrong_scheme",
    Obstacle.REFUSED: "connection_refused",
    Obstacle.PROXY: "no_proxy",
}

# Of these alone one attempt tells: the others may pass.
LASTING_OBSTACLES = frozenset({"untrusted_certificate", "wrong_scheme"})

_STATUS = {
    401: "unauthorized",
    403: "unauthorized",
    405: "unknown_endpoint",
    407: "unauthorized",
    410: "retired_version",
    413: "rejected_image",
    415: "rejected_image",
    422: "rejected_image",
    429: "throttled",
    431: "rejected_request",  # what is in the headers is alike for all images
}
_REQUEST_CODES = frozenset({"NotSupportedVisualFeature", "NotSupportedLanguage", "BadArgument", "OperationBlocked"})
# Told apart from "this image" by nothing but the message: code InvalidRequest, no inner code.
_REQUEST_MESSAGE = re.compile(r"not supported in this region|Either 'features' or 'model-name'", re.IGNORECASE)
# What web servers say to a plain request at a port for TLS.
_WANTS_TLS = re.compile(rb"plain HTTP|HTTP request to an HTTPS", re.IGNORECASE)
_QUOTA = re.compile(r"quota", re.IGNORECASE)


class Verdict(NamedTuple):
    """What one attempt came to. `fault` is None for an answer; `wait` is what the service asked for, in seconds."""

    fault: Fault | None
    message: str = ""
    code: str | None = None
    inner_code: str | None = None
    wait: float | None = None

    def scrubbed(self, uri: str) -> Verdict:
        """Without the secrets of the URI of the image that was called about."""
        code, inner_code = (None if code is None else scrub(code, uri) for code in (self.code, self.inner_code))
        return self._replace(message=scrub(self.message, uri), code=code, inner_code=inner_code)


class _Error(NamedTuple):
    code: str | None
    inner_code: str | None
    message: str


def classify(result: Reply | NotSent | NoAnswer, *, custom_model: bool, max_wait: float, now: float) -> Verdict:
    """Reads what came back from one attempt.

    Args:
      result: the reply, or why there is none.
      custom_model: whether the request named a model (a 404 then means the model).
      max_wait: the longest wait in seconds that is a throttle; a longer one is a spent quota.
      now: Unix time in seconds, for `Retry-After` dates.
    """
    if isinstance(result, NotSent):
        return Verdict(FAULTS["unreachable"], str(result))
    if isinstance(result, NoAnswer):
        return Verdict(FAULTS["unanswered"], str(result))
    if result.status == 200:
        return _read_answer(result)
    error = _read_error(result)
    wait = wait_asked_for(result.headers, error.message, now)
    name = _fault_name(result, error, wait, custom_model, max_wait)
    return Verdict(FAULTS[name], error.message, error.code, error.inner_code, wait)


def _fault_name(reply: Reply, error: _Error, wait: float | None, custom_model: bool, max_wait: float) -> str:
    status = reply.status
    if status == 429 or (status == 503 and wait is not None):
        return "quota_spent" if wait is not None and wait > max_wait else "throttled"
    if status == 403 and (wait is not None or _QUOTA.search(f"{error.code} {error.message}")):
        return "quota_spent"
    if status == 400 and error.code is None and _WANTS_TLS.search(reply.body[:2000]):
        return "wrong_scheme"
    if status == 400:
        return "rejected_request" if _blames_request(error) else "rejected_image"
    if status == 404:
        return "unknown_model" if custom_model else "unknown_endpoint"
    if status in _STATUS:
        return _STATUS[status]
    return "service_error" if 400 < status < 600 else "unknown_endpoint"


def _blames_request(error: _Error) -> bool:
    if error.inner_code or error.code in _REQUEST_CODES:
        return not _REQUEST_CODES.isdisjoint({error.code, error.inner_code})
    return bool(_REQUEST_MESSAGE.search(error.message))


def _read_error(reply: Reply) -> _Error:
    """Code, inner code and message of any of the service's and gateway's envelopes, or the start of the body."""
    try:
        body: Any = json.loads(reply.body.decode("utf-8"))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        text = reply.body[:200].decode("utf-8", "replace").strip()
        return _Error(None, None, f"HTTP {reply.status}: {text}" if text else _status_in_words(reply.status))
    error = body.get("error", body)
    if not isinstance(error, dict):
        return _Error(None, None, f"HTTP {reply.status}: {str(error)[:200]}")
    inner = error.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    message = _text(error.get("message")) or _status_in_words(reply.status)
    if _text(inner.get("message")) and inner["message"] != message:
        message = f"{message} {inner['message']}"
    return _Error(_text(error.get("code")), _text(inner.get("code")), message[:2000])


def _status_in_words(status: int) -> str:
    try:
        return f"HTTP {status}: {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}, which is no status of HTTP"


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _read_answer(reply: Reply) -> Verdict:
    """A 200 is an answer if it is worth keeping; `schemas.flatten` reads it strictly."""
    problem = answer_problem(reply.body)
    return Verdict(FAULTS["malformed_response"], problem) if problem else Verdict(None)
