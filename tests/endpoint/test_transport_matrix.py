"""Plain and TLS, with length and in chunks, packed and not, bytes and URLs: the same answer, over one connection."""

from __future__ import annotations

import io
import json
import random
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.transforms.endpoint.client import Client, Timeouts

from .peers import client, post


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A picture of 3 MB, which no compression makes smaller."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (1000, 1000), random.Random(1).randbytes(3_000_000)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def picture_url(picture: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("web")
    (folder / "picture.png").write_bytes(picture)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/picture.png"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with Emulator() as plain, Emulator(tls=True) as tls:
        yield {"http": plain, "https": tls}


@pytest.fixture(params=["http", "https"])
def emulator(request, emulators: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch) -> Emulator:
    running = emulators[request.param]
    running.reset()
    if running.ca_path:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", running.ca_path)
    return running


def caller(emulator: Emulator) -> Client:
    return client(emulator.url, Timeouts(20, 20, 20))


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
@pytest.mark.parametrize("source", ["bytes", "url"])
def test_the_same_answer_over_one_connection(emulator, picture, picture_url, chunked, gzip, source):
    emulator.set_faults({"chunked": chunked, "gzip": gzip})
    body = picture if source == "bytes" else json.dumps({"url": picture_url}).encode()
    to = caller(emulator)
    for _ in range(3):
        reply = post(to, body, emulator.key)
        assert reply.status == 200
        assert ("Content-Length" in reply.headers, reply.headers.get("Content-Encoding") == "gzip") == (
            not chunked,
            gzip,
        )
        answer = json.loads(reply.body)
        assert answer["metadata"] == {"width": 1000, "height": 1000}
        assert answer["tagsResult"]["values"]
    stats = emulator.stats()
    assert (stats["by_status"], stats["connections"]) == ({"200": 3}, 1)


def test_a_connection_that_was_closed_while_idle_is_replaced(emulator, picture):
    emulator.set_faults({"close_idle_after": 0.01})
    to = caller(emulator)
    for number in (1, 2, 3):
        assert post(to, picture, emulator.key).status == 200
        while emulator.stats()["closed_idle"] < number:
            pass
    stats = emulator.stats()
    assert (stats["by_status"], stats["connections"]) == ({"200": 3}, 3)
