"""Whatever comes back over the wire, there is a reply, or NoAnswer says why there is none."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.client import Client, NoAnswer, NotSent, Reply, Timeouts

from .peers import Peer, client, post

_versions = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"ICY"])
_statuses = st.sampled_from([*b"100 101 200 204 304 307 401 429 503 999 20 2000 -1".split(), b""])
_names = st.sampled_from(b"Content-Length Transfer-Encoding Content-Encoding Connection Location Set-Cookie".split())
_values = st.sampled_from(b"chunked gzip deflate 5 -1 5,6 9999999999999999999 close keep-alive gzip,chunked".split())
_ends = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"])
_header = st.tuples(_names | st.binary(max_size=6), st.just(b": "), _values | st.binary(max_size=8), _ends)
_bodies = st.sampled_from([b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"\x1f\x8b\x08\x00...", b"x" * 70_000])


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """Bytes that begin like a reply, mostly."""
    line = draw(_versions | st.binary(max_size=5)) + b" " + draw(_statuses | st.binary(max_size=4)) + b" OK\r\n"
    headers = [b"".join(header) for header in draw(st.lists(_header, max_size=4))]
    return line + b"".join(headers) + b"\r\n" + draw(_bodies | st.binary(max_size=60))


class Saying:
    """Answers each request with what was put here last, and closes."""

    reply = b""

    def __call__(self, connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(self.reply)


@pytest.fixture(scope="module")
def saying() -> Saying:
    return Saying()


@pytest.fixture(scope="module")
def peer(saying: Saying) -> Iterator[Peer]:
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # it warns of odd headers
    with Peer(saying) as running:
        yield running
    logging.getLogger("urllib3").setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def to(peer: Peer) -> Client:
    return client(peer.url, Timeouts(20, 20, 20))


@settings(max_examples=1000)
@given(reply=replies())
def test_there_is_always_an_end(to, saying, reply):
    saying.reply = reply
    try:
        end: object = post(to)
    except (NotSent, NoAnswer) as why:
        end = why
    assert isinstance(end, Reply) or str(end)
