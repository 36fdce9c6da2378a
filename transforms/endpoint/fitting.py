"""Fits an image: what is sent has sides, a format and a size that the service takes.

An image that fits is not touched. Of any other the first picture is decoded, shrunk, and encoded as JPEG, or as PNG
where it is transparent. Pixels are not turned: the EXIF orientation goes along, and no other EXIF does.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import NamedTuple

from PIL import ExifTags, Image

from .byte_budget import ByteBudget
from .pictures import FORMATS, MAX_SIDE, MIN_SIDE, PayloadFault, check_sides, format_of, opened

LEAST_FIT, MOST_FIT = 64, MAX_SIDE
MOST_ORIGINAL_BYTES = 256 * 1024 * 1024
MOST_PIXELS = 1024 * 1024 * 1024 // 4 // 3  # more is a decompression bomb to Pillow, too
MOST_DECODED_BYTES = 400 * 1024 * 1024
JPEG_QUALITY = 88
_MOST_PROFILE = 64 * 1024
_NEVER_OPENED = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"})  # run other programs, or cannot be decoded
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_SMALL = 16 * 1024 * 1024
_BYTES_A_PIXEL = {"1": 2, "L": 1, "P": 5, "RGB": 4}  # as decoded and converted; what is transparent is copied once more
_TRANSPARENT = 9

# How much is decoded at once in a process, and by how many threads: more would only take turns on the processors.
_ROOM = ByteBudget(MOST_DECODED_BYTES)
_TURNS = threading.BoundedSemaphore(os.cpu_count() or 1)
os.register_at_fork(after_in_child=partial(ByteBudget.__init__, _ROOM, MOST_DECODED_BYTES))
os.register_at_fork(after_in_child=partial(threading.BoundedSemaphore.__init__, _TURNS, os.cpu_count() or 1))


class NotWanted(Exception):
    """Nobody wants an image any more that was about to be fitted."""


class Fitted(NamedTuple):
    """What is sent, its format and sides; `original` are the image's own sides, None where it is sent untouched."""

    body: bytes
    format: str
    sides: tuple[int, int]
    original: tuple[int, int] | None = None


def fit(
    data: bytes,
    side: int,
    max_bytes: int,
    formats: tuple[str, ...] = FORMATS,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Fitted:
    """The image with sides of at most `side`, in one of `formats` and of `max_bytes`.

    Of an extremely long image the short side stays at the 50 pixels that the service asks for. `is_wanted` is asked
    when it is the image's turn to be decoded.

    Raises:
      PayloadFault: it cannot be decoded, is too small or too large, or a decompression bomb.
      NotWanted: so it said.
    """
    if not data:
        raise PayloadFault("invalid_image", "the image has 0 bytes")
    if len(data) > MOST_ORIGINAL_BYTES:
        raise PayloadFault("invalid_image", f"the image is larger than {MOST_ORIGINAL_BYTES} bytes, and is not read")
    image = opened(data, (*FORMATS, *other_formats()))
    if image is None:
        raise PayloadFault("invalid_image", _why_not_opened(data))
    with image:
        check_sides(image.size, most=float("inf"))
        name = format_of(image)
        if name in formats and max(image.size) <= side and len(data) <= max_bytes and _is_plain(image):
            return Fitted(data, name, image.size)
        try:
            return _shrunk(image, side, max_bytes, is_wanted)
        except (PayloadFault, NotWanted):
            raise
        except Exception as error:  # decoders raise nearly anything on hostile bytes
            reason = f"{type(error).__name__}: {error}"[:200]
            raise PayloadFault("invalid_image", f"the image, {name}, cannot be decoded: {reason}") from None


def fitted_sides(sides: tuple[int, int], most: int, is_turned: bool = False) -> tuple[int, int]:
    """Sides of at most `most` and at least 50, in the ratio of `sides`, which are not below 50 themselves.

    Of an image that may be turned on its side, a rectangle does not become a square: which of its sides is which could
    not be told then.
    """
    if max(sides) <= most:
        return sides
    longer, shorter = max(sides), min(sides)
    scaled = max(MIN_SIDE, (2 * shorter * most + longer) // (2 * longer))
    if is_turned and longer > shorter and scaled == most:
        scaled -= 1
    return (most, scaled) if sides[0] >= sides[1] else (scaled, most)


def _shrunk(image: Image.Image, side: int, max_bytes: int, is_wanted: Callable[[], bool]) -> Fitted:
    named = image.size
    scale = _draft(image, fitted_sides(named, side))
    with _a_turn(_decoded_bytes(image, scale)):
        if not is_wanted():
            raise NotWanted
        pixels, profile, orientation = _decoded(image)
        original = pixels.size if scale == 1 else named
        side = min(side, max(pixels.size))
        box = (0.0, 0.0, original[0] / scale, original[1] / scale)
        while True:
            sides = fitted_sides(original, side, is_turned=orientation >= 5)
            small = pixels if sides == pixels.size else pixels.resize(sides, Image.Resampling.BICUBIC, box, 3.0)
            body, name = _encoded(small, orientation, profile)
            if len(body) <= max_bytes or side <= LEAST_FIT:
                return Fitted(body, name, sides, original)
            side = max(LEAST_FIT, min(side - 1, int(side * 0.95 * (max_bytes / len(body)) ** 0.5)))


def _draft(image: Image.Image, wanted: tuple[int, int]) -> int:
    """Lets libjpeg decode at 1/2, 1/4 or 1/8: where that is enough, and where the image is too large else."""
    if image.format not in ("JPEG", "MPO"):
        return 1
    width, height = image.size
    enough = min(width // wanted[0], height // wanted[1])
    for scale in (1, 2, 4, 8):
        may_be_more = 2 * scale <= enough or width * height / scale**2 > MOST_PIXELS
        if not may_be_more or scale == 8:
            break
    image.draft(None, (width // scale, height // scale))
    return scale


def _decoded_bytes(image: Image.Image, scale: int) -> int:
    """The memory that decoding takes, by the header.

    Raises:
      PayloadFault: it is a decompression bomb.
    """
    pixels = image.size[0] * image.size[1]
    is_transparent = "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA")
    needed = pixels * (_TRANSPARENT if is_transparent else _BYTES_A_PIXEL.get(image.mode, 8))
    if image.info.get("progressive"):  # libjpeg keeps every coefficient, at full size
        needed += 6 * pixels * scale**2
    if pixels > MOST_PIXELS or needed > MOST_DECODED_BYTES:
        raise PayloadFault(
            "invalid_image",
            f"a decompression bomb: {image.size[0] * scale}x{image.size[1] * scale} pixels take {needed >> 20} MiB; "
            f"at most {MOST_PIXELS} pixels and {MOST_DECODED_BYTES >> 20} MiB are decoded",
        )
    return needed


@contextmanager
def _a_turn(needed: int) -> Iterator[None]:
    with _TURNS, _ROOM.reserve(max(needed, _SMALL)):
        yield


def _decoded(image: Image.Image) -> tuple[Image.Image, bytes | None, int]:
    """The pixels as L, RGB or RGBA, as they are stored; the colour profile that they keep; the orientation."""
    orientation = _orientation(image) if image.format == "TIFF" else 1  # Pillow drops it when it turns the pixels
    image.load()
    if image.format != "TIFF":
        orientation = _orientation(image)
    profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None
    if not isinstance(profile, bytes) or len(profile) > _MOST_PROFILE:
        profile = None
    pixels = _in_plain_mode(image)
    if image.format == "TIFF" and orientation in _BACK:
        pixels = pixels.transpose(_BACK[orientation])
    return pixels, profile, orientation


def _in_plain_mode(image: Image.Image) -> Image.Image:
    mode = image.mode
    if "transparency" in image.info and mode in ("L", "P", "RGB", "1"):
        return image.convert("RGBA")
    if mode in ("L", "RGB", "RGBA"):
        return image.copy() if image.readonly else image
    if mode == "1":
        return image.convert("L")
    if mode.startswith("I;16"):
        return _stretched(image.convert("I"), 0, 65535)
    if mode in ("I", "F"):
        low, high = (float(number) for number in image.getextrema())  # type: ignore[arg-type]
        return _stretched(image, *((0, 65535) if mode == "I" and 0 <= low <= 255 < high <= 65535 else (low, high)))
    if mode == "LAB":
        return _from_lab(image)
    return image.convert("RGBA" if mode in ("LA", "La", "PA", "RGBa") else "RGB")


def _stretched(image: Image.Image, low: float, high: float) -> Image.Image:
    scale = 255 / max(high - low, 1e-9)
    return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    assert converted is not None
    return converted


def _encoded(image: Image.Image, orientation: int, profile: bytes | None) -> tuple[bytes, str]:
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    exif = Image.Exif()
    if orientation > 1:
        exif[ExifTags.Base.Orientation] = orientation
    name = "PNG" if image.mode == "RGBA" else "JPEG"
    how: dict[str, object] = {"compress_level": 4} if name == "PNG" else {"quality": JPEG_QUALITY}
    buffer = io.BytesIO()
    image.info = {}
    image.save(buffer, name, exif=exif.tobytes() if orientation > 1 else b"", icc_profile=profile, **how)
    return buffer.getvalue(), name


def _is_plain(image: Image.Image) -> bool:
    """Whether the pixels are of a kind that any reader of the format takes."""
    return image.mode not in ("F", "I", "LAB", "I;16B", "I;16L", "I;16N")


_Transpose = Image.Transpose
_BACK = {
    2: _Transpose.FLIP_LEFT_RIGHT,
    3: _Transpose.ROTATE_180,
    4: _Transpose.FLIP_TOP_BOTTOM,
    5: _Transpose.TRANSPOSE,
    6: _Transpose.ROTATE_90,
    7: _Transpose.TRANSVERSE,
    8: _Transpose.ROTATE_270,
}


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none that can be read."""
    with suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in _BACK:
            return int(orientation)
    return 1


@lru_cache(1)
def other_formats() -> tuple[str, ...]:
    """What Pillow decodes besides; HEIC with the extra `heic`."""
    Image.init()
    with suppress(ImportError):
        from pi_heif import register_heif_opener

        register_heif_opener()
    return tuple(name for name in Image.ID if name not in FORMATS and name not in _NEVER_OPENED)


def _why_not_opened(data: bytes) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and "HEIF" not in other_formats():
        return "HEIC is read with the extra `heic`: pip install 'image-analysis-beam[heic]'"
    return "not an image of a format that can be decoded, or its header is damaged"
