"""A wrong endpoint is no outage: the run ends soon, deferred, with what to correct."""

import socket

import pytest
from endpoint.peers import Answering, Peer

from image_analysis_beam.emulator import Emulator


def nobody():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def strangers(monkeypatch):
    """An endpoint whose certificate nobody trusts."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with Emulator(key="emulator-key", tls=True) as running:
        yield running.url


def other_scheme(url):
    return url.replace("https://", "http://") if url.startswith("https") else url.replace("http://", "https://")


def unresolvable(monkeypatch):
    real = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return "https://no-such-host.invalid"


@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.long), 40])
@pytest.mark.parametrize(
    "kind", ["unknown_host", "connection_refused", "untrusted_certificate", "no_proxy", "wrong_scheme"]
)
def test_it_ends_in_seconds_and_says_what_to_correct(emulator, run, pictures, monkeypatch, strangers, kind, number):
    endpoints = {
        "unknown_host": lambda: unresolvable(monkeypatch),
        "connection_refused": nobody,
        "untrusted_certificate": lambda: strangers,
        "no_proxy": lambda: "https://vision.example",
        "wrong_scheme": lambda: other_scheme(emulator.url if number == 1 else strangers),
    }
    fixes = {
        "unknown_host": "check the spelling of --endpoint",
        "connection_refused": "check the host and port of --endpoint",
        "untrusted_certificate": "set REQUESTS_CA_BUNDLE",
        "no_proxy": "check HTTPS_PROXY",
        "wrong_scheme": "check the scheme (https or http) and the port",
    }
    if kind == "no_proxy":
        monkeypatch.setenv("HTTPS_PROXY", nobody())
    monkeypatch.setenv("VISION_ENDPOINT", endpoints[kind]())
    folder = pictures(number)[0].parent
    finished = run("--images", folder / "*.png")
    assert (finished.code, finished.manifest["deferred"]) == (3, {kind: number})
    assert fixes[kind] in finished.err.splitlines()[-1]
    assert sum(finished.manifest["attempts"].values()) <= 20
    seconds = [point["at"] for point in finished.manifest["timeline"]]
    assert seconds[-1] - seconds[0] <= 20, "ten, and what a busy machine adds; an outage is waited for ten minutes"


def test_a_path_that_the_endpoint_has_not(emulator, run, pictures, monkeypatch):
    monkeypatch.setenv("VISION_ENDPOINT", f"{emulator.url}/vision")
    finished = run("--images", pictures(3)[0].parent)
    assert (finished.code, finished.manifest["deferred"]) == (3, {"unknown_endpoint": 3})
    assert "and its path: a resource has none" in finished.err.splitlines()[-1]


def test_a_page_of_many_lines_is_told_in_one(run, pictures, monkeypatch):
    page = b"<html>\r\n<title>404</title>\r\n</html>"
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    with Peer(Answering(head % len(page) + page)) as server:
        monkeypatch.setenv("VISION_ENDPOINT", server.url)
        monkeypatch.setenv("VISION_KEY", "k")
        finished = run("--images", pictures(3)[0].parent)
    assert finished.err.splitlines()[-1].startswith(
        "incomplete: 3 images deferred, unknown_endpoint: HTTP 404: <html> <"
    )
