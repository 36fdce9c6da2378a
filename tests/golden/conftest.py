"""The pictures that the golden lists name, on a web of their own, and copies of the golden folders."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.glob("v*"))
HOST = "pictures.example"  # reserved for examples: an id made of it is the same on every machine


def picture(name: str) -> bytes:
    """A small PNG that the name alone decides: a background, a block, a figure, the name in words."""
    seed = zlib.crc32(name.encode())
    image = Image.new("RGB", (200, 120), (90 + seed % 60, 100 + seed // 60 % 50, 140))
    draw = ImageDraw.Draw(image)
    draw.rectangle((130, 50 + seed % 20, 185, 110), fill=(210, 25 + seed % 40, 25))
    draw.rectangle((20, 50, 45, 112), fill=(225, 170, 140))
    draw.text((10, 8), name.replace("-", " "), fill=(255, 255, 255), font=ImageFont.load_default(size=20))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class _Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = Path(self.path.partition("?")[0]).stem
        body = b"" if name == "gone" else picture(name)
        self.send_response(404 if name == "gone" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def web_of_pictures() -> Iterator[None]:
    """`http://pictures.example/NAME.png` can be fetched from this process, over real HTTP; `gone.png` is not there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pictures)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _resolving(HOST, server.server_address, socket.getaddrinfo))
        yield
    server.shutdown()
    server.server_close()
    thread.join()


def _resolving(name: str, address: Any, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, *arguments: Any, **settings: Any) -> Any:
        if host == name:
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]
        return otherwise(host, *arguments, **settings)

    return getaddrinfo


@pytest.fixture
def web() -> Iterator[None]:
    """The golden pictures can be fetched."""
    with web_of_pictures():
        yield


@pytest.fixture(params=VERSIONS)
def golden(request: pytest.FixtureRequest) -> Path:
    """The golden folder of a version."""
    return HERE / str(request.param)


@pytest.fixture
def out(golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output folder as that version left it, long ago; nobody need watch for long whether its dead runs live."""
    monkeypatch.setattr("image_analysis_beam.transforms.ledger.liveness._LOCAL_BEAT", 0.01)
    with tarfile.open(golden / "out.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "out"
