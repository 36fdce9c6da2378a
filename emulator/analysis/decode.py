"""Opens and decodes untrusted pictures in bounded memory, refusing what the service would refuse."""

from __future__ import annotations

import io
import threading

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .. import errors
from ..errors import Refused

SMALLEST_SIDE, LARGEST_SIDE = 50, 16_000
WORKING_SIDE = 192
"""Analysis looks at a copy whose longer side is at most this many pixels."""
DECODED_BYTES_LIMIT = 384 * 2**20
"""A picture whose pixels would take more memory than this is refused as a decompression bomb."""
LARGE_BYTES = 16 * 2**20
"""Pictures above this are decoded one at a time."""

_PLUGINS = (
    JpegImagePlugin,
    PngImagePlugin,
    GifImagePlugin,
    BmpImagePlugin,
    WebPImagePlugin,
    IcoImagePlugin,
    TiffImagePlugin,
    MpoImagePlugin,
)
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "ICO", "TIFF", "MPO")
CUSTOM_MODEL_FORMATS = ("JPEG", "PNG", "GIF", "BMP")
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "LA": 4, "I;16": 2}
_one_large_picture = threading.Lock()


def open_picture(data: bytes) -> Image.Image:
    """Reads the header only. The sides in it are checked. Raises Refused (format, then dimension)."""
    picture = _identify(data)
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in picture.size):
        raise Refused(errors.IMAGE_DIMENSION)
    return picture


def decode(picture: Image.Image, side: int = WORKING_SIDE) -> Image.Image:
    """An RGB copy of the first frame, neither side above `side`, transparency over grey. Raises Refused."""
    if picture.format in {"JPEG", "MPO"}:
        picture.draft("RGB", (side, side))
    needed = _decoded_bytes(picture)
    if needed > DECODED_BYTES_LIMIT:
        raise Refused(errors.IMAGE_FORMAT)
    try:
        if needed <= LARGE_BYTES:
            return _shrink(picture, side)
        with _one_large_picture:
            return _shrink(picture, side)
    except Exception as failure:  # decoders raise nearly anything on hostile bytes
        raise Refused(errors.IMAGE_FORMAT) from failure


def seen(picture: Image.Image, turns: bool, side: int = WORKING_SIDE) -> tuple[tuple[int, int], Image.Image]:
    """The sides of the picture and its copy, as stored or as its EXIF orientation turns it. Raises Refused.

    Pillow turns a TIFF by itself, and forgets the orientation then; of others it may be asked after decoding only, as
    asking decodes some.
    """
    is_turned_by_pillow = picture.format == "TIFF"
    orientation = _orientation(picture) if is_turned_by_pillow else 1
    size = picture.size
    small = decode(picture, side)
    if not is_turned_by_pillow:
        orientation = _orientation(picture)
    if turns == is_turned_by_pillow or orientation not in _TURNS:
        return size, small
    turn, back = _TURNS[orientation]
    return size[::-1] if orientation >= 5 else size, small.transpose(turn if turns else back)


_Turn = Image.Transpose
_TURNS = {
    2: (_Turn.FLIP_LEFT_RIGHT, _Turn.FLIP_LEFT_RIGHT),
    3: (_Turn.ROTATE_180, _Turn.ROTATE_180),
    4: (_Turn.FLIP_TOP_BOTTOM, _Turn.FLIP_TOP_BOTTOM),
    5: (_Turn.TRANSPOSE, _Turn.TRANSPOSE),
    6: (_Turn.ROTATE_270, _Turn.ROTATE_90),
    7: (_Turn.TRANSVERSE, _Turn.TRANSVERSE),
    8: (_Turn.ROTATE_90, _Turn.ROTATE_270),
}
"""By EXIF orientation: what turns a picture upright, and what turns it back."""


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # hostile EXIF raises anything
        return 1


def _identify(data: bytes) -> Image.Image:
    """Like Image.open, but only the service's formats and without the process-wide size limit and warnings."""
    prefix = data[:16]
    for name in FORMATS[:-1]:  # the JPEG plugin answers for MPO
        factory, accept = Image.OPEN[name]
        accepted = accept is None or accept(prefix)
        if not accepted or isinstance(accepted, str):
            continue
        try:
            return factory(io.BytesIO(data), "")
        except Exception:  # hostile headers raise anything; another plugin may read it
            continue
    raise Refused(errors.IMAGE_FORMAT)


def _decoded_bytes(picture: Image.Image) -> int:
    pixels = picture.size[0] * picture.size[1]
    if picture.info.get("progressive"):  # libjpeg keeps every coefficient, at full size
        return 6 * pixels
    if picture.format in {"WEBP", "ICO"}:  # the decoder holds canvases of its own
        return 12 * pixels
    return _BYTES_PER_PIXEL.get(picture.mode, 4) * pixels


def _shrink(picture: Image.Image, side: int) -> Image.Image:
    declared = picture.size
    picture.load()
    if picture.format == "ICO" and picture.size != declared:
        raise ValueError("the frame is not the size the directory says")
    factor = max(1, max(picture.size) // (2 * side))
    if factor > 1 and picture.mode not in {"P", "1", "I;16", "I;16B"}:
        picture = picture.reduce(factor)
    elif factor > 1:
        picture.thumbnail((2 * side, 2 * side), Image.Resampling.NEAREST)
    picture = _over_grey(picture)
    picture.thumbnail((side, side), Image.Resampling.BOX)
    return picture


def _over_grey(picture: Image.Image) -> Image.Image:
    if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        grey = Image.new("RGBA", picture.size, (128, 128, 128, 255))
        picture = Image.alpha_composite(grey, picture)
    elif picture.mode.startswith("I") or picture.mode == "F":
        low, high = (float(v) for v in picture.getextrema())  # type: ignore[arg-type]
        scale = 255 / max(high - low, 1)
        picture = picture.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    return picture.convert("RGB")
