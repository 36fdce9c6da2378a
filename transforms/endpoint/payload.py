"""From an image URI to what is sent: a URL, or the image's bytes, checked before a call is paid for."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import BinaryIO

from PIL import Image

from .redaction import redact, scrub
from .request import AnalyzeRequest
from .signatures import signature_ends_at
from .uri import HTTP_SCHEMES, ImageRef, InvalidUri, check, local_path, sendable

MIN_SIDE, MAX_SIDE = 50, 16_000
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "ICO", "TIFF")  # MPO opens as JPEG
_CHUNK = 256 * 1024
_READ_ATTEMPTS = 3
_READ_PAUSE = 0.5
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_PERMANENT_CODES = frozenset({400, 401, 403, 404, 412})


@dataclass(frozen=True)
class Payload:
    """The body of a call and its content type."""

    content_type: str
    body: bytes


class PayloadFault(Exception):
    """The image's own fault, found before any call: `fault` is a class of the decision table."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class ByteBudget:
    """Bounds the image bytes held at once: each image reserves its worst case, then what it really has."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._freed = threading.Condition()

    @contextmanager
    def reserve(self, worst_case: int) -> Iterator[Callable[[int], None]]:
        """Waits for room; yields a function that shrinks the reservation to a known size."""
        held = min(worst_case, self._limit)
        with self._freed:
            self._freed.wait_for(lambda: self._held + held <= self._limit)
            self._held += held

        def shrink(size: int) -> None:
            nonlocal held
            freed = held - min(size, held)
            held -= freed
            self._release(freed)

        try:
            yield shrink
        finally:
            self._release(held)

    def _release(self, size: int) -> None:
        with self._freed:
            self._held -= size
            self._freed.notify_all()


def is_sent_as_url(image: ImageRef) -> bool:
    """Whether the service fetches the image itself.

    Raises:
      PayloadFault: the URI is malformed, or there is none.
    """
    try:
        if image.fault:
            raise InvalidUri(image.fault)
        return check(image.uri) in HTTP_SCHEMES
    except InvalidUri as error:
        raise PayloadFault("invalid_uri", f"{place_of(image)}{error}") from None


def url_payload(image: ImageRef, clock: Callable[[], float] = time.time) -> Payload:
    """The JSON body that names an http(s) image.

    Raises:
      PayloadFault: the signature of the URL has expired.
    """
    check_signature(image, clock)
    return Payload("application/json", json.dumps({"url": sendable(image.uri)}).encode())


def check_signature(image: ImageRef, clock: Callable[[], float] = time.time) -> None:
    """Whether the service could still fetch the image, as far as its URL says.

    Raises:
      PayloadFault: the signature of the URL has expired.
    """
    ends_at = signature_ends_at(image.uri)
    if ends_at is not None and ends_at <= clock():
        moment = datetime.fromtimestamp(ends_at, timezone.utc).isoformat(timespec="seconds")
        raise PayloadFault("expired_url", f"the signature of the URL ended at {moment}")


def bytes_payload(
    image: ImageRef,
    request: AnalyzeRequest,
    open_file: Callable[[str], BinaryIO],
    pause: Callable[[float], None] = time.sleep,
) -> Payload:
    """The bytes of an image that we can read, checked against the service's limits.

    Raises:
      PayloadFault: it cannot be read, or the service would refuse it.
    """
    data = _read(local_path(image.uri), open_file, request.max_image_bytes, pause)
    check_image(data, request.max_image_bytes)
    return Payload("application/octet-stream", data)


def check_image(data: bytes, max_bytes: int) -> None:
    """Size, format and sides, from the header alone: nothing is decoded.

    Raises:
      PayloadFault: the service would refuse the image.
    """
    if not data:
        raise PayloadFault("invalid_image", "the image has 0 bytes")
    if len(data) > max_bytes:
        raise PayloadFault("invalid_image", f"the image is larger than {max_bytes} bytes")
    sides = sides_of(data)
    if sides is None:
        raise PayloadFault("invalid_image", f"not an image of a supported format ({', '.join(FORMATS)})")
    check_sides(sides)


def check_sides(sides: tuple[int, int]) -> None:
    """Width and height.

    Raises:
      PayloadFault: the service would refuse them.
    """
    if min(sides) < MIN_SIDE or max(sides) > MAX_SIDE:
        width, height = sides
        raise PayloadFault(
            "invalid_image",
            f"the image is {width}x{height} pixels; each side has to be {MIN_SIDE} to {MAX_SIDE}",
        )


def begins_like_an_image(data: bytes) -> bool:
    """Whether one of Pillow's readers knows the first bytes."""
    _load_readers()
    accepts = (Image.OPEN[name][1] for name in FORMATS)
    return any(accept is None or accept(data[:16]) is True for accept in accepts)


def _load_readers() -> None:
    Image.preinit()
    if not all(name in Image.OPEN for name in FORMATS):
        Image.init()


def sides_of(data: bytes) -> tuple[int, int] | None:
    """Width and height by the first of Pillow's readers that knows the header.

    Not `Image.open`: its guard against decompression bombs refuses sizes that the service accepts, and nothing is
    decompressed here.
    """
    _load_readers()
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        try:
            if accept is None or accept(data[:16]) is True:
                with factory(io.BytesIO(data), "") as image:
                    return image.size
        except Exception:  # Pillow's readers raise whatever a hostile header makes them stumble over
            continue
    return None


def place_of(image: ImageRef) -> str:
    """Where an image is listed, as the beginning of a message; empty where that is not known."""
    unit = "row" if image.listed_in.lower().endswith(".parquet") else "line"
    position = f", {unit} {image.position}" if image.position else ""
    return f"{image.listed_in}{position}: " if image.listed_in else ""


def _read(path: str, open_file: Callable[[str], BinaryIO], limit: int, pause: Callable[[float], None]) -> bytes:
    for attempt in range(1, _READ_ATTEMPTS + 1):
        try:
            with open_file(path) as file:
                return _read_bounded(file, limit + 1)
        except Exception as error:  # every file system of Beam has exceptions of its own
            if attempt == _READ_ATTEMPTS or _is_permanent(error):
                raise PayloadFault("unreadable_image", f"the image cannot be read: {_describe(error, path)}") from None
        pause(_READ_PAUSE * attempt)
    raise AssertionError("unreachable")


def _read_bounded(file: BinaryIO, limit: int) -> bytes:
    chunks, left = [], limit
    while left and (chunk := file.read(min(left, _CHUNK))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _is_permanent(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _PERMANENT) or getattr(error, "code", None) in _PERMANENT_CODES:
            return True
        error = error.__cause__ or error.__context__
    return False


def _describe(error: Exception, path: str) -> str:
    if isinstance(error, FileNotFoundError) and "://" not in path:
        return f"there is no file {redact(os.path.abspath(path))}"
    text = scrub(str(error).replace(path, ""), path).strip(" :'\"") or "no reason given"
    return f"{type(error).__name__}: {text}"[:300]
