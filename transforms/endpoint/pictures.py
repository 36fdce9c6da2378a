"""What an image's header says, and whether the service takes it; nothing is decoded here."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import NamedTuple

from PIL import Image

MIN_SIDE, MAX_SIDE = 50, 16_000
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "ICO", "TIFF")  # MPO opens as JPEG


class PayloadFault(Exception):
    """The image's own fault, found before any call: `fault` is a class of the decision table."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Header(NamedTuple):
    """Format and sides of an image, as its pixels are stored."""

    format: str
    width: int
    height: int


def check_image(data: bytes, max_bytes: int) -> Header:
    """Size, format and sides, from the header alone: nothing is decoded.

    Raises:
      PayloadFault: the service would refuse the image.
    """
    if not data:
        raise PayloadFault("invalid_image", "the image has 0 bytes")
    if len(data) > max_bytes:
        raise PayloadFault("invalid_image", f"the image is larger than {max_bytes} bytes")
    image = opened(data, FORMATS)
    if image is None:
        raise PayloadFault("invalid_image", f"not an image of a supported format ({', '.join(FORMATS)})")
    with image:
        check_sides(image.size)
        return Header(format_of(image), *image.size)


def format_of(image: Image.Image) -> str:
    """Pillow's name of the format; several pictures in one JPEG are a JPEG."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def check_sides(sides: tuple[int, int], most: float = MAX_SIDE) -> None:
    """Width and height.

    Raises:
      PayloadFault: the service would refuse them.
    """
    if min(sides) < MIN_SIDE or max(sides) > most:
        width, height = sides
        rule = f"{MIN_SIDE} to {most}" if most == MAX_SIDE else f"at least {MIN_SIDE}"
        raise PayloadFault("invalid_image", f"the image is {width}x{height} pixels; each side has to be {rule}")


def begins_like_an_image(data: bytes, formats: Iterable[str] = FORMATS) -> bool:
    """Whether one of Pillow's readers of these formats knows the first bytes."""
    _load_readers()
    accepts = (Image.OPEN[name][1] for name in formats)
    return any(accept is None or accept(data[:16]) is True for accept in accepts)


def header_of(data: bytes, formats: Iterable[str] = FORMATS) -> Header | None:
    """What the first of Pillow's readers of these formats that knows the header says."""
    image = opened(data, formats)
    if image is None:
        return None
    with image:
        return Header(format_of(image), *image.size)


def opened(data: bytes, formats: Iterable[str]) -> Image.Image | None:
    """The image by the first of Pillow's readers of these formats that knows the header; not decoded yet.

    Not `Image.open`: its guard against decompression bombs refuses sizes that the service accepts, and nothing is
    decompressed here.
    """
    _load_readers()
    for name in formats:
        factory, accept = Image.OPEN[name]
        try:
            if accept is None or accept(data[:16]) is True:
                return factory(io.BytesIO(data), "")
        except Exception:  # Pillow's readers raise whatever a hostile header makes them stumble over
            continue
    return None


def _load_readers() -> None:
    Image.preinit()
    if not all(name in Image.OPEN for name in FORMATS):
        Image.init()
