"""Whatever bytes come back over a socket, there is a verdict: the client and the decision table together."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.client import Client, NoAnswer, NotSent, Reply, Timeouts
from image_analysis_beam.transforms.endpoint.faults import FAULTS, classify
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.settle import billed_units, request_id

NAMES = st.sampled_from(
    [
        b"Retry-After",
        b"retry-after-ms",
        b"CSP-Billing-Usage",
        b"apim-request-id",
        b"x-ms-region",
        b"Content-Type",
        b"Content-Encoding",
        b"Transfer-Encoding",
        b"Content-Length",
        b"Location",
        b"Connection",
    ]
)
VALUES = st.one_of(
    st.binary(max_size=30).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"")),
    st.sampled_from([b"1", b"1\x1f", b"\xb2", b"gzip", b"deflate", b"br", b"chunked", b"-1", b"99999999999999999999"]),
    st.integers(0, 200).map(lambda number: str(number).encode()),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [b"{}", b"[", b'{"metadata":{}}', b'{"error":{"code":429}}', b'{"error":{"innererror":7}}', b"null"]
    ),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
STATUS_LINES = st.one_of(
    st.integers(100, 599).map(lambda status: f"HTTP/1.1 {status} Reason".encode()),
    st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")),
    st.just(b"HTTP/1.0 200"),
)


@st.composite
def replies(draw) -> bytes:
    body = draw(BODIES)
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    if draw(st.booleans()):
        headers.append((b"Content-Length", str(len(body)).encode()))
    lines = b"\r\n".join([draw(STATUS_LINES), *(name + b": " + value for name, value in headers)])
    return lines + b"\r\n\r\n" + body


class Peer:
    """Answers every request with the same bytes, and hangs up."""

    def __init__(self) -> None:
        self.reply = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)
                connection.sendall(self.reply)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    running = Peer()
    yield running
    running.close()


def judge(peer: Peer, reply: bytes) -> None:
    peer.reply = reply
    client = Client(peer.url, AnalyzeRequest(features="tags"), Timeouts(20, 20, 20), connections=1)
    try:
        result = client.post(b"{}", {"Content-Type": "application/json"}, monotonic() + 30)
    except (NotSent, NoAnswer) as error:
        result = error
    finally:
        client.close()
    verdict = classify(result, custom_model=False, max_wait=120.0, now=0.0)
    assert verdict.fault is None or verdict.fault.name in FAULTS
    assert verdict.wait is None or 0 <= verdict.wait < float("inf")
    assert (billed_units(result) or 0) >= 0
    if isinstance(result, Reply):
        assert (request_id(result) or "").isprintable()


@settings(max_examples=300)
@given(replies())
def test_there_is_a_verdict(peer, reply):
    judge(peer, reply)


@pytest.mark.long
@settings(max_examples=5000)
@given(replies())
def test_there_is_a_verdict_on_five_thousand(peer, reply):
    judge(peer, reply)
