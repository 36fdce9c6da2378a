"""One exchange on the wire: what is sent in how many pieces, through which proxy, and what counts as sent."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from image_analysis_beam.transforms.endpoint.client import Client, NoAnswer, NotSent, Timeouts
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Peer:
    """Whoever is at the other end: keeps the pieces as they come, and answers each whole request alike."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self.pieces = answer, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def received(self) -> bytes:
        return b"".join(self.pieces)

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while piece := connection.recv(1 << 20):
                self.pieces.append(piece)
                if self._is_whole():
                    connection.sendall(self._answer)

    def _is_whole(self) -> bool:
        head, mark, body = self.received.rpartition(b"\r\n\r\n")
        length = int(head.lower().rpartition(b"content-length: ")[2].split(b"\r\n")[0]) if b"ength" in head else 0
        return bool(mark) and len(body) >= length


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def peer() -> Iterator[Peer]:
    running = Peer(ANSWER)
    yield running
    running.close()


def client(endpoint: str) -> Client:
    return Client(endpoint, AnalyzeRequest(features="tags"), Timeouts(2, 2, 2), connections=1)


def post(to: Client, body: bytes = b'{"url": "https://h/a.jpg"}'):
    return to.post(body, {"Content-Type": "application/json", "Ocp-Apim-Subscription-Key": "k"}, monotonic() + 5)


def test_a_small_request_is_one_piece(peer):
    to = client(f"http://{peer.address}")
    for number in (1, 2):
        assert post(to).body == b"{}"
        assert len(peer.pieces) == number
    assert peer.pieces[0] == peer.pieces[1]
    head = peer.pieces[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert re.fullmatch(r"POST /computervision/imageanalysis:analyze\?\S+ HTTP/1\.1", head[0])
    assert {"Content-Length: 26", "Accept: application/json", "User-Agent: image-analysis-beam"} <= set(head)
    assert len({line.partition(":")[0].lower() for line in head}) == len(head)


def test_a_large_body_arrives_whole(peer):
    body = bytes(range(256)) * 4096
    assert post(client(f"http://{peer.address}"), body).status == 200
    assert peer.received.partition(b"\r\n\r\n")[2] == body


def test_no_credentials_of_a_netrc(peer, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    post(client(f"http://{peer.address}"))
    assert b"authorization" not in peer.received.lower()


def test_a_proxy_of_the_environment_gets_the_whole_url(peer, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://{peer.address}")
    assert post(client("http://vision.example")).status == 200
    assert peer.received.startswith(b"POST http://vision.example/computervision/imageanalysis:analyze?")


def test_a_tunnel_that_is_refused_was_not_sent(monkeypatch):
    proxy = Peer(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
    with pytest.raises(NotSent):
        post(client("https://vision.example"))
    assert proxy.received.startswith(b"CONNECT vision.example:443")
    proxy.close()


def test_nobody_there_was_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(NotSent):
        post(client(f"http://127.0.0.1:{address[1]}"))


def test_a_request_without_an_answer_was_sent():
    silent = Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")
    with pytest.raises(NoAnswer):
        post(client(f"http://{silent.address}"))
    silent.close()
