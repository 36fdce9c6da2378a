"""Requests that do not get through: why, in a word; and endpoints and certificates that are refused beforehand."""

from __future__ import annotations

import shutil
import socket
import subprocess
from time import monotonic

import pytest
import trustme

from image_analysis_beam.transforms.endpoint.address import check_endpoint
from image_analysis_beam.transforms.endpoint.client import NoAnswer, NotSent, Obstacle, Timeouts
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.endpoint.tls import tls_context

from .conftest import server_side
from .peers import ANSWER, Answering, Peer, client, post


def obstacle(endpoint: str, connect: float = 5) -> Obstacle:
    with pytest.raises(NotSent) as caught:
        post(client(endpoint, Timeouts(connect, 60, 60)))
    return caught.value.kind


@pytest.fixture
def nobody() -> str:
    """The address of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_name_that_does_not_resolve():
    assert obstacle("https://no-such-host.invalid") is Obstacle.NAME


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_listens(nobody, scheme):
    assert obstacle(f"{scheme}://{nobody}") is Obstacle.REFUSED


def test_a_certificate_of_an_authority_that_is_not_trusted(trusted):
    with Peer(Answering(), server_side(trustme.CA())) as stranger:
        assert obstacle(stranger.url) is Obstacle.CERTIFICATE


def test_a_certificate_of_another_host(trusted):
    with Peer(Answering(), server_side(trusted, "elsewhere.example")) as elsewhere:
        assert obstacle(elsewhere.url) is Obstacle.CERTIFICATE


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_no_tls_at_the_other_end(reply):
    with Peer(lambda connection: connection.sendall(reply)) as plain:
        assert obstacle(f"https://{plain.address}") is Obstacle.SCHEME


def test_an_endpoint_that_spoke_tls_is_not_said_to_speak_none(trusted):
    handshakes = [server_side(trusted)]

    def converse(connection: socket.socket) -> None:
        if not handshakes:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        with handshakes.pop().wrap_socket(connection, server_side=True) as secure:
            secure.recv(1 << 16)
            secure.sendall(ANSWER.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    with Peer(converse) as peer:
        caller = client(f"https://{peer.address}")
        assert post(caller).status == 200
        with pytest.raises(NotSent) as told:
            post(caller)
    assert told.value.kind is Obstacle.OTHER
    assert "speaks no TLS" not in str(told.value)


def test_nothing_but_tls_at_the_other_end():
    with Peer(Answering(), server_side(trustme.CA())) as peer:
        assert obstacle(f"http://{peer.address}") is Obstacle.SCHEME


def test_a_plain_endpoint_that_hangs_up_may_have_billed():
    """Whether it is one for TLS is looked at once."""
    with Peer(lambda connection: connection.recv(1 << 16)) as peer:
        caller = client(peer.url)
        for connections in (2, 3):
            with pytest.raises(NoAnswer):
                post(caller)
            assert peer.connections == connections


def silent(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def test_a_handshake_that_is_not_answered():
    with Peer(silent) as peer:
        assert obstacle(f"https://{peer.address}", connect=1.5) is Obstacle.OTHER


def test_a_proxy_that_says_nothing_has_the_time_to_connect(monkeypatch):
    started = monotonic()
    with Peer(silent) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert obstacle("https://vision.example", connect=1.5) is Obstacle.OTHER
    assert monotonic() - started < 30


@pytest.mark.parametrize("endpoint", ["http://vision.example", "https://vision.example"])
def test_a_proxy_that_is_not_there(nobody, monkeypatch, endpoint):
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{nobody}")
    assert obstacle(endpoint) is Obstacle.PROXY


def test_a_proxy_whose_name_does_not_resolve(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://no-such-proxy.invalid:3128")
    assert obstacle("https://vision.example") is Obstacle.PROXY


def test_a_proxy_that_does_not_connect_us(monkeypatch):
    refusing = Answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
    with Peer(refusing) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert obstacle("https://vision.example") is Obstacle.PROXY
    assert refusing.received.startswith(b"CONNECT vision.example:443")


# --- refused beforehand ---


@pytest.mark.parametrize("content", [None, "no certificate\n"])
def test_certificates_that_are_not_there(monkeypatch, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(ConfigurationError, match=r"REQUESTS_CA_BUNDLE '.*ca\.pem'.*correct or unset"):
        check_endpoint("https://vision.example")
    assert check_endpoint("http://localhost:8711/") == "http://localhost:8711"


# --- trusted ---


def answers(authority: trustme.CA) -> bool:
    with Peer(Answering(), server_side(authority)) as peer:
        return post(client(peer.url)).status == 200


def test_a_file_of_certificates(trusted):
    assert answers(trusted)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl tells the name that a certificate has in a folder")
def test_a_folder_of_certificates(authority, monkeypatch, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    digest = subprocess.check_output(["openssl", "x509", "-noout", "-hash", "-in", path], text=True).strip()
    path.rename(tmp_path / f"{digest}.0")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    assert answers(authority)


def test_what_the_system_trusts(authority, monkeypatch, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert answers(authority)


def test_what_certifi_trusts_where_the_system_trusts_nobody(monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "/nowhere")
    assert tls_context().cert_store_stats()["x509_ca"] > 100
