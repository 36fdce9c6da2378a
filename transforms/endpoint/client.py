"""One attempt: a POST over a pooled `requests` session, and what came back. No retries, no waiting, no judgement."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlencode, urlsplit

import requests
import urllib3
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies

from .address import PATH
from .deadline import BoundedAdapter, exchange
from .errors import check_positive, check_type
from .redaction import MASK, SHORTEST_IN_ANSWER
from .request import AnalyzeRequest
from .tls import speaks_tls, tls_context

MAX_SECONDS = 1e6  # of any time-out: 11 days
MAX_REPLY_BYTES = 64 * 1024 * 1024
KEY_HEADER = "Ocp-Apim-Subscription-Key"
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, without a byte to or fro, and from the request's last byte to the reply's."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0

    def __post_init__(self) -> None:
        for name in ("connect", "read", "total"):
            example = f"for example {getattr(Timeouts, name)}"
            check_type(f"{name} time-out", getattr(self, name), (int, float), example)
            check_positive(f"{name} time-out", getattr(self, name), MAX_SECONDS, example)


@dataclass(frozen=True)
class Reply:
    """A complete HTTP reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Obstacle(Enum):
    """What kept a request from getting through."""

    NAME = "name"  # the host's name does not resolve
    CERTIFICATE = "certificate"  # the endpoint's certificate is not trusted, or is another host's
    REFUSED = "refused"  # nobody listens there
    SCHEME = "scheme"  # who listens there speaks no TLS, or TLS only, and we do otherwise
    PROXY = "proxy"  # the proxy cannot be reached, or did not connect us
    OTHER = "other"  # time-outs, resets, networks that cannot be reached


class NotSent(Exception):
    """The request did not get out whole, so nothing can have been billed. `kind` says why."""

    def __init__(self, message: str, kind: Obstacle = Obstacle.OTHER) -> None:
        super().__init__(message)
        self.kind = kind


class NoAnswer(Exception):
    """The request got out and no complete reply came back: it may have been billed."""


class Client:
    """POSTs images to one endpoint. Safe to use from many threads.

    Args:
      endpoint: as `check_endpoint` returns it.
      request: what is asked of every image.
      timeouts: of one exchange.
      connections: how many connections are kept open.
    """

    def __init__(self, endpoint: str, request: AnalyzeRequest, timeouts: Timeouts, connections: int) -> None:
        self._timeouts = timeouts
        self._session = requests.Session()
        self._session.trust_env = False  # no credentials of a .netrc
        adapter = BoundedAdapter(connections, tls_context() if endpoint.startswith("https") else None)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        # What `requests` works out for every call is the same for all of ours: proxies, pool, target.
        query = urlencode(request.query(), safe=",")  # urllib3 goes over what is quoted with each call
        prepared = self._session.prepare_request(requests.Request("POST", endpoint + PATH, params=query))
        proxies = get_environ_proxies(prepared.url or "")
        self._pool = adapter.get_connection_with_tls_context(prepared, True, proxies=proxies)
        self._target = adapter.request_url(prepared, proxies)
        self._address = urlsplit(endpoint).netloc
        self._is_plain = endpoint.startswith("http:") and self._target.startswith("/")  # nor by way of a proxy
        self._knows_scheme = False  # whether the endpoint has shown that it is the right one
        self._headers = {
            **self._session.headers,
            "Accept": "application/json",
            "User-Agent": "image-analysis-beam",
        }

    def post(self, body: bytes, headers: Mapping[str, str], ends_at: float) -> Reply:
        """Sends one image and reads the whole reply.

        Args:
          body: the request's body.
          headers: content type, credentials, and a client request id.
          ends_at: `time.monotonic()` at which the exchange ends at the latest.

        Raises:
          NotSent: the request did not get out whole, and no reply came instead.
          NoAnswer: the reply did not come, or not whole.
        """
        return self._exchange("POST", body, headers, ends_at)

    def knock(self, headers: Mapping[str, str], ends_at: float) -> Reply:
        """As `post`, without an image and by a method that the service does not have: refused at its gate, for free."""
        return self._exchange("PUT", b"{}", {"Content-Type": "application/json", **headers}, ends_at)

    def _exchange(self, method: str, body: bytes, headers: Mapping[str, str], ends_at: float) -> Reply:
        exchange.begin(ends_at, self._timeouts.connect, self._timeouts.read, self._timeouts.total)
        secret = _secret_in(headers)
        try:
            response = self._pool.urlopen(
                method,
                self._target,
                body=body,
                headers={**self._headers, **headers},
                retries=False,
                redirect=False,
                assert_same_host=False,  # a proxy is another one than the target names
                timeout=urllib3.Timeout(connect=exchange.time_for_one_step(), read=self._timeouts.read),
                preload_content=False,
            )
            self._knows_scheme = True
            with closing(response):  # with its connection, unless that went back to the pool at the reply's end
                return _without(secret, Reply(response.status, response.headers, _read(response)))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if self._is_met_by_tls(error):
                raise NotSent(f"{self._address} speaks TLS only", Obstacle.SCHEME) from None
            if exchange.sent:
                raise NoAnswer(_reason(error, secret)) from None
            kind = _obstacle(error, self._knows_scheme)
            what = f"{self._address} speaks no TLS: " if kind is Obstacle.SCHEME else ""
            raise NotSent(what + _reason(error, secret), kind) from None

    def _is_met_by_tls(self, error: Exception) -> bool:
        """Whether a plain request met a port for TLS, where it is no request at all; looked at once."""
        may_be_tls = self._is_plain and not self._knows_scheme
        if not may_be_tls or not any(isinstance(cause, _NO_HTTP) for cause in _causes(error)):
            return False
        self._knows_scheme = not speaks_tls(self._pool.host, self._pool.port or 80)
        return not self._knows_scheme

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()


def _read(raw: urllib3.BaseHTTPResponse) -> bytes:
    chunks, size = [], 0
    while chunk := raw.read(_CHUNK, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            raise OSError(f"the reply is larger than {MAX_REPLY_BYTES} bytes")
    return b"".join(chunks)


def _secret_in(headers: Mapping[str, str]) -> str:
    """The key or token that is sent, if it cannot be a word of an answer."""
    sent = next((headers[name] for name in (KEY_HEADER, "Authorization") if name in headers), "")
    secret = sent.rpartition(" ")[2]
    return secret if len(secret) >= SHORTEST_IN_ANSWER else ""


def _without(secret: str, reply: Reply) -> Reply:
    """Nothing is kept of a credential that is quoted, as by a proxy that shows the request."""
    if not secret:
        return reply
    headers = {name: reply.headers[name].replace(secret, MASK) for name in reply.headers}
    return Reply(reply.status, CaseInsensitiveDict(headers), reply.body.replace(secret.encode(), MASK.encode()))


def _reason(error: BaseException, secret: str) -> str:
    """The innermost cause in a few words: no URL, no object addresses, no credential."""
    *_, error = _causes(error)
    text = " ".join(str(error).rpartition(">: ")[2].split()) or type(error).__name__
    text = text.replace(secret, MASK) if secret else text
    return f"{type(error).__name__}: {text}"[:300]


_OBSTACLES: tuple[tuple[type[BaseException], Obstacle], ...] = (
    (urllib3.exceptions.ProxyError, Obstacle.PROXY),
    (socket.gaierror, Obstacle.NAME),
    (ssl.SSLCertVerificationError, Obstacle.CERTIFICATE),
    (ConnectionRefusedError, Obstacle.REFUSED),
)


# What OpenSSL says of bytes that are not TLS, by version.
_NO_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
_NO_HTTP = (http.client.BadStatusLine, ConnectionResetError)  # also what is closed without a word


def _obstacle(error: BaseException, knows_scheme: bool) -> Obstacle:
    """By the outermost cause that tells: a proxy's name that does not resolve is the proxy's matter. An endpoint whose
    scheme is known to be right has it, whatever it says for a moment."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return Obstacle.OTHER if knows_scheme else Obstacle.SCHEME
        for known, kind in _OBSTACLES:
            if isinstance(cause, known):
                return kind
    return Obstacle.OTHER


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, its cause, the cause of that: in each of the forms in which libraries keep one."""
    while isinstance(error, BaseException):
        yield error
        error = getattr(error, "reason", None) or error.__cause__ or _first_exception(error)


def _first_exception(error: BaseException) -> BaseException | None:
    return next((arg for arg in error.args if isinstance(arg, BaseException)), None)
