"""TLS, replies in chunks and packed, and connections that are closed while they are idle."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import requests

from image_analysis_beam.emulator import Emulator, EmulatorProcess

from .conftest import PATH, Caller, order


def asked(caller: Caller, picture: bytes, accepted: str = "gzip, deflate") -> requests.Response:
    return caller.post(picture, features="tags,caption,read", headers={"Accept-Encoding": accepted})


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("gzip", [False, True])
def test_the_same_answer_in_every_form(caller: Caller, picture: bytes, chunked, gzip):
    expected = asked(caller, picture)
    caller.emulator.set_faults({"chunked": chunked, "gzip": gzip})
    reply = asked(caller, picture)
    assert reply.json() == expected.json()
    assert (reply.headers.get("Transfer-Encoding") == "chunked") is chunked
    assert ("Content-Length" in reply.headers) is not chunked
    assert (reply.headers.get("Content-Encoding") == "gzip") is gzip
    assert set(expected.headers) - set(reply.headers) <= {"Content-Length"}


def test_an_answer_is_several_chunks(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"chunked": True})
    sent = {"Ocp-Apim-Subscription-Key": caller.emulator.key, "Content-Type": "application/octet-stream"}
    query = {"api-version": "2024-02-01", "features": "tags,people,objects"}
    with requests.post(
        caller.emulator.url + PATH, picture, params=query, headers=sent, stream=True, timeout=60
    ) as reply:
        assert len(list(reply.raw.read_chunked())) > 1


def test_packed_for_those_who_accept_it(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"gzip": True})
    assert "Content-Encoding" not in asked(caller, picture, accepted="identity").headers


def test_refusals_too(caller: Caller):
    caller.emulator.set_faults({"chunked": True, "gzip": True})
    refusal = asked(caller, b"not a picture")
    assert refusal.headers["Transfer-Encoding"] == "chunked"
    assert refusal.headers["Content-Encoding"] == "gzip"
    assert refusal.json()["error"]["innererror"]["code"] == "InvalidImageFormat"


def test_idle_connections_are_closed_on_order(caller: Caller, picture: bytes):
    for _ in range(3):
        assert caller.analyze(picture).status_code == 200
    assert caller.emulator.stats()["connections"] == 1
    caller.emulator.set_faults({"close_idle_after": 0.01})
    assert "Connection" not in caller.analyze(picture).headers
    while not caller.emulator.stats()["closed_idle"]:
        pass
    assert caller.analyze(picture).status_code == 200
    assert caller.emulator.stats()["connections"] == 2


def test_a_busy_connection_is_not_closed(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"close_idle_after": 1.0, "latency": {"seconds": 1.1}})
    assert [caller.analyze(picture).status_code for _ in range(3)] == [200] * 3
    assert caller.emulator.stats()["connections"] == 1


# --- TLS ---


@pytest.fixture
def tls_caller() -> Iterator[Caller]:
    with Emulator(tls=True) as emulator:
        caller = Caller(emulator)
        caller.session.verify = emulator.ca_path
        yield caller
        caller.session.close()


def test_https_for_those_who_trust_the_authority(tls_caller: Caller, picture: bytes):
    assert tls_caller.emulator.url.startswith("https://127.0.0.1:")
    assert tls_caller.analyze(picture).status_code == 200
    tls_caller.emulator.url = tls_caller.emulator.url.replace("127.0.0.1", "localhost")
    assert tls_caller.analyze(picture).status_code == 200
    assert tls_caller.emulator.stats()["calls"] == 2
    tls_caller.session.verify = True
    tls_caller.session.close()
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        tls_caller.analyze(picture)


@pytest.mark.parametrize("fault", [{"kind": "reset"}, {"kind": "reset", "how": "close"}, {"kind": "short_body"}])
def test_connections_are_cut_with_tls_as_without(tls_caller: Caller, picture: bytes, fault):
    order(tls_caller, **fault)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        tls_caller.analyze(picture)
    assert tls_caller.emulator.stats()["by_fault"] == {fault["kind"]: 1}


def test_a_process_tells_its_authority_as_long_as_it_runs(picture: bytes):
    with EmulatorProcess("--tls") as emulator:
        caller = Caller(emulator)
        caller.session.verify = emulator.ca_path
        assert caller.analyze(picture).status_code == 200
        assert emulator.stats()["calls"] == 1
        caller.session.close()
    assert not os.path.exists(emulator.ca_path)
