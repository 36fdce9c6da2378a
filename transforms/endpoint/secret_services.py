"""Those who give secrets (a token issuer, Secret Manager, Entra): which of their failures may pass by themselves.

The clients of Google and Microsoft have their own exceptions, and are not loaded where they are not used; so an
exception is judged by its HTTP status where it has one, else by the names of its classes.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TypeVar

import requests
from requests.utils import get_environ_proxies

from .client import Reply

ANSWER_SECONDS = 20  # for one answer of such a service
MAX_TOKEN_BYTES = 16 * 1024  # more is no header that a service would take

_PASSING = frozenset(
    {
        *("ConnectionError", "TimeoutError", "Timeout", "ChunkedEncodingError"),  # Python, requests
        *("TransportError", "RetryError", "ServerError"),  # google.auth, google.api_core
        *("ServiceRequestError", "ServiceResponseError"),  # azure.core
    }
)
_LASTING = frozenset({"DefaultCredentialsError", "CredentialUnavailableError"})  # no identity on this machine

T = TypeVar("T")


def status_may_pass(status: int) -> bool:
    """Whether a service that answers so may answer otherwise soon."""
    return status in (408, 429) or status >= 500


def may_pass(error: BaseException) -> bool:
    """Whether what failed so may succeed soon, by the first of its causes that tells."""
    if is_refused_certificate(error):
        return False
    for cause in _causes(error):
        status = getattr(cause, "status_code", None) or getattr(cause, "code", None)
        if isinstance(status, int):
            return status_may_pass(status)
        kinds = {kind.__name__ for kind in type(cause).__mro__}
        if kinds & _LASTING:
            return False
        if kinds & _PASSING or getattr(cause, "retryable", False) is True:
            return True
    return False


def is_refused_certificate(error: BaseException) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def is_unknown_host(error: BaseException) -> bool:
    """Whether a host's name is not known, as far as this machine's resolver can tell."""
    return any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in _causes(error))


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns or raises, unless it takes longer: a name's look-up, for one, has no time-out of its own.

    Raises:
      TimeoutError: it took longer; its thread is left behind.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name="secret").start()
    return done.result(seconds)


def post_for_token(url: str, headers: Mapping[str, str]) -> Reply:
    """POSTs nothing to a token issuer; reads no more than a token may have, and a byte.

    Raises:
      OSError: no complete reply came.
    """
    with requests.Session() as session:
        session.trust_env = False  # no credentials of a .netrc
        with session.post(
            url,
            data=b"",
            headers=dict(headers),
            timeout=ANSWER_SECONDS,
            proxies=get_environ_proxies(url),
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            allow_redirects=False,
            stream=True,
        ) as reply:
            body = b""
            for piece in reply.iter_content(MAX_TOKEN_BYTES + 1):
                body += piece
                if len(body) > MAX_TOKEN_BYTES:
                    break
            return Reply(reply.status_code, reply.headers, body)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
