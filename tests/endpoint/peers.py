"""Whoever is at the other end of a connection: scripted, over real sockets, plain or with TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from time import monotonic

from image_analysis_beam.transforms.endpoint.client import Client, Reply, Timeouts
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SMALL_BODY = b'{"url": "https://h/a.jpg"}'


class Peer:
    """Serves each connection by `converse`, in a thread of its own.

    Args:
      converse: is given the connection, which is closed when it returns.
      tls: of the server's side.
      window: bytes that the kernel receives ahead of what is read.
    """

    def __init__(
        self,
        converse: Callable[[socket.socket], None],
        tls: ssl.SSLContext | None = None,
        window: int | None = None,
    ) -> None:
        self._converse, self._tls, self.connections = converse, tls, 0
        self._listener = socket.socket()
        if window:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is held back is lost at a reset
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._converse(connection)
            except OSError:  # the client left
                pass
            finally:
                connection.close()


class Answering:
    """Keeps the pieces of all requests as they come, and answers each whole request alike."""

    def __init__(self, answer: bytes = ANSWER) -> None:
        self._answer, self.pieces = answer, []

    @property
    def received(self) -> bytes:
        return b"".join(self.pieces)

    def __call__(self, connection: socket.socket) -> None:
        while piece := connection.recv(1 << 20):
            self.pieces.append(piece)
            if self._is_whole():
                connection.sendall(self._answer)

    def _is_whole(self) -> bool:
        head, mark, body = self.received.rpartition(b"\r\n\r\n")
        length = int(head.lower().rpartition(b"content-length: ")[2].split(b"\r\n")[0]) if b"ength" in head else 0
        return bool(mark) and len(body) >= length


def client(endpoint: str, timeouts: Timeouts | None = None) -> Client:
    return Client(endpoint, AnalyzeRequest(features="tags"), timeouts or Timeouts(20, 20, 20), connections=1)


def post(to: Client, body: bytes = SMALL_BODY, key: str = "k") -> Reply:
    kind = "application/json" if body.startswith(b"{") else "application/octet-stream"
    return to.post(body, {"Content-Type": kind, "Ocp-Apim-Subscription-Key": key}, monotonic() + 30)
