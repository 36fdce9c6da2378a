"""Bodies of megabytes: they may take their time as long as they get on, and a reply in their midst is heard."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from image_analysis_beam.transforms.endpoint.client import NotSent, Timeouts

from .conftest import server_side
from .peers import ANSWER, Peer, client, post

BODY = bytes(range(256)) * (32 * 1024)
PIECE, WINDOW = 64 * 1024, 128 * 1024
TOO_LARGE = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\n\r\nlarge"

Script = Callable[[socket.socket], None]


@pytest.fixture(params=["http", "https"])
def peer(request: pytest.FixtureRequest) -> Iterator[Callable[[Script], Peer]]:
    """`peer(script)`: a peer with a small window."""
    tls = server_side(request.getfixturevalue("trusted")) if request.param == "https" else None
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(Peer(script, tls, WINDOW))


def read(connection: socket.socket, size: int, seconds_per_piece: float = 0) -> None:
    """Reads so many bytes at that pace."""
    for left in range(size, 0, -PIECE):
        piece = min(left, PIECE)
        while piece:
            piece -= len(_received(connection, piece))
        time.sleep(seconds_per_piece)


def read_to_the_end(connection: socket.socket) -> None:
    """Reads until the end of BODY, whose last bytes are nowhere else in it."""
    end = b""
    while not end.endswith(BODY[-1024:] + b"."):
        end = (end + _received(connection, PIECE))[-2048:]


def _received(connection: socket.socket, most: int) -> bytes:
    received = connection.recv(most)
    if not received:
        raise ConnectionError("the client has gone")
    return received


def test_a_slow_upload_that_gets_on_is_answered(peer):
    def slow_at_first(connection):
        read(connection, 40 * PIECE, seconds_per_piece=0.05)
        read_to_the_end(connection)
        connection.sendall(ANSWER)

    to = client(peer(slow_at_first).url, Timeouts(connect=1.5, read=10, total=1.8))
    started = time.monotonic()
    assert post(to, BODY + b".").status == 200
    assert time.monotonic() - started > 1.8


def test_an_upload_that_gets_stuck_was_not_sent(peer):
    is_over = threading.Event()
    stuck = peer(lambda connection: (read(connection, PIECE), is_over.wait(30)))
    with pytest.raises(NotSent, match="timed out"):
        post(client(stuck.url, Timeouts(20, 0.2, 20)), BODY)
    is_over.set()


@pytest.mark.parametrize("how", ["close", "shutdown"])
def test_an_upload_that_is_cut_was_not_sent(peer, how):
    def cut(connection):
        read(connection, PIECE)
        if how == "shutdown":
            connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(NotSent):
        post(client(peer(cut).url), BODY)


@pytest.mark.parametrize("then", ["close", "stay"])
def test_a_reply_in_the_midst_of_an_upload_is_heard(peer, then):
    def refuse(connection):
        connection.recv(1024)
        connection.sendall(TOO_LARGE)
        if then == "stay":
            time.sleep(1)

    refusing = peer(refuse)
    to = client(refusing.url, Timeouts(20, 5, 20))
    for number in (1, 2):
        reply = post(to, BODY)
        assert (reply.status, reply.body) == (413, b"large")
        assert refusing.connections == number
