"""Time-outs that bind: an HTTP transport that ends at a point in time, whatever the server does.

A read time-out bounds one `recv` only, so a server that sends a byte a second never trips it. Here every `recv` of an
exchange gets what is left until the exchange's deadline. The transport also notes whether a connection stood when
the exchange failed: before that nothing can have been sent, hence nothing billed.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_WHOLE = 64 * 1024  # what is no larger is sent at once, and received at once if it comes at once


class Exchange(threading.local):
    """The exchange that this thread is in."""

    ends_at: float = float("inf")
    read_timeout: float = 60.0
    sent: bool = False

    def begin(self, ends_at: float, read_timeout: float) -> None:
        self.ends_at, self.read_timeout, self.sent = ends_at, read_timeout, False

    def time_for_one_read(self) -> float:
        """Seconds that the next `recv` may take.

        Raises:
          TimeoutError: the exchange's time is up.
        """
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange ran into its deadline")
        return min(left, self.read_timeout)


exchange = Exchange()


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(exchange.time_for_one_read())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedReader(sock), _WHOLE)


class _BoundedConnection(HTTPConnection):
    response_class = _BoundedResponse
    _head, _head_is_next = b"", False

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        self._head_is_next = True
        super().endheaders(message_body, encode_chunked=encode_chunked)

    def send(self, data: Any) -> None:
        """Sends the head together with a small body; all of our requests have one."""
        if self.sock is None:
            self.connect()
        if self._head_is_next:
            self._head, self._head_is_next = data, False
            return
        head, self._head = self._head, b""
        exchange.sent = exchange.sent or bool(head)  # what opens a proxy's tunnel has no head of ours
        if len(head) + len(data) <= _WHOLE:
            super().send(head + data)
        else:
            super().send(head)
            super().send(data)


class _BoundedTLSConnection(_BoundedConnection, HTTPSConnection):
    pass


class _BoundedPool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _BoundedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTLSConnection


class BoundedAdapter(HTTPAdapter):
    """A `requests` adapter whose connections obey the thread's `exchange`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _BoundedPool, "https": _BoundedTLSPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _BoundedPool, "https": _BoundedTLSPool}
        return manager
