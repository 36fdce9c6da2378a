"""A service that finds the red, green and blue rectangles of a picture exactly, and answers with nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
from PIL import Image, ImageOps

TURNS = {  # how pixels are turned that an EXIF orientation turns back
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
COLOURS = ("red", "green", "blue")
Box = tuple[int, int, int, int]


def boxes_of(image: Image.Image) -> dict[str, Box]:
    """x, y, w, h of the rectangle of each colour, on white."""
    pixels = np.asarray(image.convert("RGB")).astype(np.int16)
    boxes = {}
    for channel, name in enumerate(COLOURS):
        others = np.delete(pixels, channel, axis=2).max(axis=2)
        ys, xs = np.nonzero((pixels[..., channel] > others + 60) & (others < 128))
        left, top = int(xs.min()), int(ys.min())
        boxes[name] = (left, top, int(xs.max()) + 1 - left, int(ys.max()) + 1 - top)
    return boxes


def answer(data: bytes, turns: bool, preview: bool) -> dict[str, Any]:
    """All sections that name a place."""
    with Image.open(io.BytesIO(data)) as image:
        seen = ImageOps.exif_transpose(image) if turns else image
        boxes, size = boxes_of(seen), seen.size
    found = [{"boundingBox": dict(zip("xywh", box, strict=True)), "confidence": 0.5} for box in boxes.values()]
    polygons = [_corners(*box) for box in boxes.values()]
    return {
        "metadata": {"width": size[0], "height": size[1]},
        "modelVersion": "rectangles",
        "peopleResult": {"values": found},
        "objectsResult": {
            "values": [{"boundingBox": one["boundingBox"], "tags": [{"name": "a", "confidence": 1}]} for one in found]
        },
        "denseCaptionsResult": {"values": [{"text": "a", **one} for one in found]},
        "smartCropsResult": {"values": [{"aspectRatio": 1, "boundingBox": one["boundingBox"]} for one in found]},
        "readResult": _preview(polygons, size) if preview else _ga(polygons),
    }


def _corners(x: int, y: int, w: int, h: int) -> list[int]:
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def _ga(polygons: list[list[int]]) -> dict[str, Any]:
    lines = []
    for numbers in polygons:
        polygon = [{"x": x, "y": y} for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        word = {"text": "a", "confidence": 0.5, "boundingPolygon": polygon}
        lines.append({"text": "a", "boundingPolygon": polygon, "words": [word]})
    return {"blocks": [{"lines": lines}]}


def _preview(polygons: list[list[int]], size: tuple[int, int]) -> dict[str, Any]:
    spans = [{"offset": 2 * number, "length": 1} for number in range(len(polygons))]
    pairs = list(zip(polygons, spans, strict=True))
    page = {
        **{"width": size[0], "height": size[1], "angle": 0, "pageNumber": 1, "spans": []},
        "lines": [{"content": "a", "boundingBox": polygon, "spans": [span]} for polygon, span in pairs],
        "words": [{"content": "a", "boundingBox": polygon, "confidence": 1, "span": span} for polygon, span in pairs],
    }
    return {"stringIndexType": "TextElements", "content": "a\na\na", "pages": [page], "styles": []}


@contextmanager
def service(turns: bool) -> Iterator[str]:
    """Its URL; it turns pictures by their EXIF orientation, or does not."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(answer(data, turns, "preview" in self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
