"""An emulator for the session, pictures to send, and a plain HTTP caller."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw

from image_analysis_beam.emulator import Emulator

PATH = "/computervision/imageanalysis:analyze"
ALL_FEATURES = "caption,denseCaptions,tags,objects,read,smartCrops,people"


def encode(image: Image.Image, format: str = "JPEG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **settings)
    return buffer.getvalue()


def scene(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """A soft background with a skin-coloured upright figure on the left and a red block at the bottom right."""
    noise = np.random.default_rng(seed).integers(90, 150, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width * 0.1, height * 0.2, width * 0.28, height * 0.95), fill=(225, 170, 140))
    draw.rectangle((width * 0.6, height * 0.65, width * 0.95, height * 0.95), fill=(210, 25, 25))
    return image


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A 320x240 JPEG."""
    return encode(scene())


@pytest.fixture(scope="session")
def _running() -> Iterator[Emulator]:
    models = {"fruit": "classifier", "shelves": "detector"}
    with Emulator(models=models, tokens=("fixed-token",), fetch_seconds=2) as emulator:
        yield emulator


@pytest.fixture
def emulator(_running: Emulator) -> Emulator:
    _running.reset()
    return _running


@dataclass
class Caller:
    """Posts to the analyze path; keyword arguments with underscores are query parameters with dashes."""

    emulator: Emulator
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    def post(
        self,
        body: bytes | str,
        content_type: str | None = "application/octet-stream",
        key: str | None = None,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> requests.Response:
        sent = {"Ocp-Apim-Subscription-Key": key or self.emulator.key, **(headers or {})}
        if content_type:
            sent["Content-Type"] = content_type
        parameters = {"api-version": "2024-02-01", **{name.replace("_", "-"): v for name, v in query.items()}}
        return self.session.post(
            self.emulator.url + PATH, data=body, params=parameters, headers=sent, timeout=60, allow_redirects=False
        )

    def analyze(self, body: bytes, features: str = "tags", **query: str) -> requests.Response:
        return self.post(body, features=features, **query)


@pytest.fixture
def caller(emulator: Emulator) -> Iterator[Caller]:
    caller = Caller(emulator)
    yield caller
    caller.session.close()


class PictureServer:
    """A real web server whose pages are set by path: (status, headers, body)."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = pages.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        self.pages[path] = (status, headers, body)
        return self.url + path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="session")
def web() -> Iterator[PictureServer]:
    server = PictureServer()
    yield server
    server.close()


def order(caller: Caller, kind: str, match: dict[str, Any] | None = None, **params: Any) -> None:
    caller.emulator.set_faults({"rules": [{"match": match or {}, "fault": {"kind": kind, **params}}]})


def control(emulator: Emulator, method: str, body: str | None = None) -> requests.Response:
    return requests.request(method, emulator.url + "/_emulator/faults", data=body, timeout=60)
