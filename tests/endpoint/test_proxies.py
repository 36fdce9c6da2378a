"""Proxies of the environment: the whole URL for plain http, a tunnel for https."""

from __future__ import annotations

import socket
import threading

from .conftest import server_side
from .peers import Answering, Peer, client, post


class Tunnel:
    """A proxy's CONNECT: passes everything on, both ways. Keeps what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, caller: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += caller.recv(1)
        self.asked.append(request.partition(b" HTTP")[0])
        host, _, port = self.asked[-1].removeprefix(b"CONNECT ").partition(b":")
        with socket.create_connection((host, int(port))) as target:
            caller.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=_pass_on, args=(target, caller), daemon=True).start()
            _pass_on(caller, target)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # the other way has ended
        pass


def test_plain_http_gets_the_whole_url(monkeypatch):
    answering = Answering()
    with Peer(answering) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert post(client("http://vision.example")).status == 200
    assert answering.received.startswith(b"POST http://vision.example/computervision/imageanalysis:analyze?")


def test_https_goes_through_a_tunnel_that_is_kept(trusted, monkeypatch):
    tunnel, answering = Tunnel(), Answering()
    with Peer(answering, server_side(trusted)) as service, Peer(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        to = client(service.url)
        assert [post(to, body).status for body in (b"{}", bytes(3_000_000), b"{}")] == [200, 200, 200]
        assert tunnel.asked == [f"CONNECT {service.address}".encode()]


def test_a_tunnel_that_was_closed_is_opened_anew(trusted, monkeypatch):
    def once(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    tunnel = Tunnel()
    with Peer(once, server_side(trusted)) as service, Peer(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        to = client(service.url)
        assert [post(to).status for _ in range(2)] == [200, 200]
        assert len(tunnel.asked) == service.connections == 2


def test_no_proxy_for_those_named(monkeypatch):
    with Peer(Answering()) as service:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert post(client(service.url)).status == 200
