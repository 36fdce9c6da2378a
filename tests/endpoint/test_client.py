"""One exchange on the wire: what is sent in how many pieces, and what is no whole answer."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from functools import partial
from time import monotonic

import pytest

from image_analysis_beam.transforms.endpoint.client import NoAnswer, Timeouts

from .peers import ANSWER, Answering, Peer, client, post


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
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-10\r\n{}",
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


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Other"])
def test_what_precedes_a_reply_is_none(status):
    before = b"HTTP/1.1 " + status + b"\r\nLink: </style.css>; rel=preload\r\n\r\n"
    with Peer(Answering(before + before + ANSWER)) as hinting:
        to = client(hinting.url)
        for _ in range(2):
            reply = post(to)
            assert (reply.status, reply.body, reply.headers.get("Link")) == (200, b"{}", None)
        assert hinting.connections == 1


def test_a_line_that_is_no_header_is_not_printed(caplog):
    def converse(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Before: 1\r\nno header\r\n\r\n{}")

    with Peer(converse) as odd:
        reply = post(client(odd.url))
    assert (reply.body, reply.headers["X-Before"]) == (b"{}", "1")
    assert not caplog.records


@pytest.mark.parametrize("header", ["Ocp-Apim-Subscription-Key", "Authorization"])
def test_a_credential_that_is_quoted_is_not_kept(header):
    key = "CANARY0123456789"
    sent = {header: f"Bearer {key}" if header == "Authorization" else key}
    body = f"you sent {key}".encode()
    head = f"HTTP/1.1 403 {key}\r\nRetry-After: 1\r\nRetry-After: 2\r\nrequest-id: {key}\r\n"
    quoting = Answering(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with Peer(quoting) as peer:
        reply = client(peer.url).post(b"{}", sent, monotonic() + 30)
    assert reply.body.decode() == "you sent …"
    assert (reply.headers["Request-Id"], reply.headers["retry-after"]) == ("…", "1, 2")
    with Peer(Answering(f"{key}\r\n\r\n".encode())) as peer, pytest.raises(NoAnswer) as told:
        client(peer.url).post(b"{}", sent, monotonic() + 30)
    assert str(told.value) == "BadStatusLine: …"
