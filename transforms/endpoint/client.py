"""One attempt: a POST over a pooled `requests` session, and what came back. No retries, no waiting, no judgement."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies

from .deadline import BoundedAdapter, exchange
from .errors import ConfigurationError
from .request import AnalyzeRequest

PATH = "/computervision/imageanalysis:analyze"
MAX_REPLY_BYTES = 64 * 1024 * 1024
_CHUNK = 64 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, for one read, and for the whole exchange."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0

    def __post_init__(self) -> None:
        for name in ("connect", "read", "total"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(
                    f"{name} time-out {getattr(self, name)!r}",
                    "it is a number of seconds above 0",
                    f"for example {getattr(Timeouts, name)}",
                )


@dataclass(frozen=True)
class Reply:
    """A complete HTTP reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotSent(Exception):
    """No connection stood: nothing was sent, so nothing can have been billed."""


class NoAnswer(Exception):
    """Something was sent and no complete reply came back: it may have been billed."""


def check_endpoint(endpoint: str, allow_insecure: bool = False) -> str:
    """The endpoint without a trailing slash.

    Raises:
      ConfigurationError: it is no http(s) URL of a host alone, or would send the key in the clear.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"endpoint {endpoint!r}",
            "it is the URL of your Azure AI Vision resource",
            "set --endpoint or VISION_ENDPOINT, for example https://NAME.cognitiveservices.azure.com",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"endpoint {parts.scheme}://{parts.hostname}…",
            "it may hold a scheme, host and path only",
            "drop the rest",
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_insecure:
        raise ConfigurationError(
            f"endpoint {endpoint!r}",
            "over plain http the key could be read on the way",
            "use https, or --allow_insecure_endpoint where you trust the network",
        )
    return endpoint.rstrip("/")


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
        adapter = BoundedAdapter(pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        # What `requests` works out for every call is the same for all of ours: proxies, certificates, pool, target.
        prepared = self._session.prepare_request(requests.Request("POST", endpoint + PATH, params=request.query()))
        proxies = get_environ_proxies(prepared.url or "")
        certificates = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._pool = adapter.get_connection_with_tls_context(prepared, certificates, proxies=proxies)
        self._target = adapter.request_url(prepared, proxies)
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
          NotSent: no connection could be made.
          NoAnswer: the reply did not come, or not whole.
        """
        exchange.begin(min(ends_at, time.monotonic() + self._timeouts.total), self._timeouts.read)
        try:
            response = self._pool.urlopen(
                "POST",
                self._target,
                body=body,
                headers={**self._headers, **headers},
                retries=False,
                redirect=False,
                assert_same_host=False,  # a proxy is another one than the target names
                timeout=urllib3.Timeout(
                    connect=min(self._timeouts.connect, exchange.time_for_one_read()), read=self._timeouts.read
                ),
                preload_content=False,
            )
            try:
                return Reply(response.status, response.headers, _read(response))
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            kind = NoAnswer if exchange.sent else NotSent
            raise kind(_reason(error)) from None

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


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words: no URL, no object addresses."""
    while inner := (getattr(error, "reason", None) or error.__cause__ or _first_exception(error)):
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = str(error).rpartition(">: ")[2] or type(error).__name__
    return f"{type(error).__name__}: {text}"[:300]


def _first_exception(error: BaseException) -> BaseException | None:
    return next((arg for arg in error.args if isinstance(arg, BaseException)), None)
