"""One exchange on the wire: what is sent in how many pieces, and what is no whole answer."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from functools import partial

import pytest

from image_analysis_beam.transforms.endpoint.client import NoAnswer, Timeouts

from .peers import Answering, Peer, client, post


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
def peer(answering: Answering) -> Iterator[Peer]:
    with Peer(answering) as running:
        yield running


def test_a_small_request_is_one_piece(peer, answering):
    to = client(peer.url)
    for number in (1, 2):
        assert post(to).body == b"{}"
        assert len(answering.pieces) == number
    assert answering.pieces[0] == answering.pieces[1]
    head = answering.pieces[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert re.fullmatch(r"POST /computervision/imageanalysis:analyze\?\S+ HTTP/1\.1", head[0])
    assert {"Content-Length: 26", "Accept: application/json", "User-Agent: image-analysis-beam"} <= set(head)
    assert len({line.partition(":")[0].lower() for line in head}) == len(head)


def test_a_large_body_arrives_whole(peer, answering):
    body = bytes(range(256)) * 4096
    assert post(client(peer.url), body).status == 200
    assert answering.received.partition(b"\r\n\r\n")[2] == body


def test_no_credentials_of_a_netrc(peer, answering, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    post(client(peer.url))
    assert b"authorization" not in answering.received.lower()


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ],
)
def test_a_request_without_a_whole_answer_was_sent(cut):
    def converse(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(cut)

    with Peer(converse) as hasty, pytest.raises(NoAnswer):
        post(client(hasty.url))


def test_a_silent_service_was_sent_to():
    with Peer(lambda connection: [*iter(partial(connection.recv, 1 << 16), b"")]) as silent, pytest.raises(NoAnswer):
        post(client(silent.url, Timeouts(20, 0.1, 20)))
