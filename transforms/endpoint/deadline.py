"""Time-outs that bind: an HTTP transport that ends at a point in time, whatever the server does.

A read time-out bounds one `recv` only, so a server that sends a byte a second never trips it; and sending has no
time-out of its own: urllib3 lets a body of any size have the one for connecting, to be through with. Here every step,
a `send` or a `recv`, may take so many seconds and never goes on beyond the exchange's end, and the time for the reply
begins when the request is out. The transport also notes whether it is: what did not arrive whole was not billed.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from http import HTTPStatus
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_read

_PIECE = 64 * 1024  # bytes of one step: what is no larger is sent at once, and received at once if it comes at once


class Exchange(threading.local):
    """The exchange that this thread is in: how far it got, and how long it may go on.

    `sent`: the last byte of the request was given to the kernel, which is as much as one can know.
    """

    sent: bool = False
    _ends_at: float = float("inf")
    _step: float = 60.0
    _silence: float = 60.0
    _reply: float = float("inf")

    def begin(self, ends_at: float, connect: float, silence: float, reply: float) -> None:
        """Begins to connect.

        Args:
          ends_at: `time.monotonic()` at which it ends at the latest.
          connect: seconds to connect; to a proxy, and from there.
          silence: seconds without a byte, to or fro.
          reply: seconds from the end of the request to the last byte of the reply.
        """
        self.sent, self._ends_at = False, ends_at
        self._step, self._silence, self._reply = connect, silence, reply

    def begin_request(self) -> None:
        self._step = self._silence

    def begin_reply(self) -> None:
        self._ends_at = min(self._ends_at, time.monotonic() + self._reply)

    def time_for_one_step(self) -> float:
        """Seconds until the next `send` or `recv` has to get on.

        Raises:
          TimeoutError: the exchange's time is up.
        """
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange ran into its deadline")
        return min(left, self._step)


exchange = Exchange()


class _BoundedReader(io.RawIOBase):
    """Of one reply. Its head does not end with the connection, as http.client would have it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self.in_head = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(exchange.time_for_one_step())
        count = self._raw.readinto(buffer)
        if self.in_head and not count:
            raise RemoteDisconnected("closed before the head of the reply was whole")
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _BoundedReader(sock)
        self.fp = io.BufferedReader(self._reader, _PIECE)

    def _read_status(self) -> tuple[str, int, str]:
        """All that precedes a reply (RFC 9110, 15.2) is taken for the 100 that http.client skips: it knows no other."""
        version, status, reason = super()._read_status()  # type: ignore[misc]
        is_reply = status <= HTTPStatus.SWITCHING_PROTOCOLS or status >= HTTPStatus.OK
        return version, status if is_reply else HTTPStatus.CONTINUE, reason

    def _read_next_chunk_size(self) -> int:
        """http.client takes a minus sign, and fails at it."""
        size = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError(size)  # as for any other text that is no size
        return size

    def begin(self) -> None:
        super().begin()
        self._reader.in_head = False
        self.msg.defects.clear()  # of lines that are no headers urllib3 would print a traceback
        self.msg.set_payload("")
        self.will_close = self.will_close or not exchange.sent  # half a request is on the connection


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
        if not head:  # what opens a proxy's tunnel
            self._send_all(data)
            return
        exchange.begin_request()
        if len(head) + len(data) <= _PIECE:
            self._send_all(head + data)
        else:
            self._send_all(head)
            self._send_all(data)
        exchange.sent = True

    def _send_all(self, data: bytes) -> None:
        """Piece by piece. A broken pipe is what urllib3 reads the reply after, if there is one."""
        left = memoryview(data)
        while left:
            self.sock.settimeout(exchange.time_for_one_step())
            try:
                left = left[self.sock.send(left[:_PIECE]) :]
            except OSError as error:
                if isinstance(error, TimeoutError) and not wait_for_read(self.sock, 0):
                    raise
                raise BrokenPipeError from error

    def getresponse(self) -> Any:
        exchange.begin_reply()
        return super().getresponse()


class _BoundedTLSConnection(_BoundedConnection, HTTPSConnection):
    pass


class _BoundedPool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _BoundedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTLSConnection


_POOLS = {"http": _BoundedPool, "https": _BoundedTLSPool}


class BoundedAdapter(HTTPAdapter):
    """A `requests` adapter whose connections obey the thread's `exchange`."""

    def __init__(self, connections: int, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, proxy_ssl_context=self._tls, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
