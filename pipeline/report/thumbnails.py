"""Small JPEG copies of images, turned as the service saw them, so that boxes sit where they belong."""

from __future__ import annotations

import base64
import io
import warnings
from typing import NamedTuple

from PIL import Image, ImageOps

from ...transforms.endpoint.fitting import MOST_ORIGINAL_BYTES, fit
from ...transforms.endpoint.payload import read_image
from ...transforms.endpoint.pictures import PayloadFault, check_image
from ...transforms.endpoint.request import AnalyzeRequest
from ...transforms.endpoint.uri import HTTP_SCHEMES, ImageRef, InvalidUri, check
from ...transforms.files.storage import read_first

MOST_PIXELS = 50_000_000  # of formats that have to be decoded whole
ON_THE_WEB = "on the web; the report fetches nothing"
_QUALITY = 68
_ORIENTATION, _TRANSPOSED = 0x0112, 5  # an EXIF field; from this value on, the sides are exchanged
_SHOWN = {"JPEG", "PNG", "GIF", "WEBP", "BMP"}  # formats that browsers show
_READ = AnalyzeRequest(features=("tags",))  # reading needs a limit on bytes, and that is the request's


class Thumbnail(NamedTuple):
    """A JPEG in base64, or the reason why there is none. `is_as_stored`: every program shows the file in this way."""

    data: str
    why_not: str
    width: int = 0
    height: int = 0
    is_as_stored: bool = False


def thumbnail(image_uri: str, size: tuple[int, int] | None, side: int, is_fitted: bool = False) -> Thumbnail:
    """The thumbnail of an image that was answered with that size, no side longer than `side`.

    `is_fitted`: a copy of it was sent (`--fit`): the service would have refused the file.
    Images on the web are not fetched: what is kept of their URL has no signature, and making a report calls nobody.
    """
    try:
        if check(image_uri) in HTTP_SCHEMES:
            return Thumbnail("", ON_THE_WEB)
        most = MOST_ORIGINAL_BYTES if is_fitted else _READ.max_image_bytes
        data, _ = read_image(ImageRef.of(image_uri), most, read_first)
        if is_fitted:
            fitted = fit(data, 2 * side, _READ.max_image_bytes)
            return _small(fitted.body, size, side, fitted.original)
        check_image(data, most)
        return _small(data, size, side)
    except (InvalidUri, PayloadFault, NotDrawable) as error:
        return Thumbnail("", str(error))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Thumbnail("", f"the image cannot be decoded: {error}")


class NotDrawable(Exception):
    """The file cannot stand for the image that was answered; the message says why."""


def _small(data: bytes, size: tuple[int, int] | None, side: int, original: tuple[int, int] | None = None) -> Thumbnail:
    """Of the bytes of an image, or of a copy of it whose `original` has these sides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as image:
            orientation, stored = image.getexif().get(_ORIENTATION, 1), original or image.size
            turned = is_turned(stored, orientation, size) if size else True
            if size and not turned and stored != size:
                now, then = (f"{width}x{height}" for width, height in (stored, size))
                raise NotDrawable(f"the file is now {now} pixels; it was {then}")
            image.draft("RGB", (side * 2, side * 2))
            if image.width * image.height > MOST_PIXELS:
                raise NotDrawable(f"{stored[0]}x{stored[1]} pixels are too many to draw")
            upright = ImageOps.exif_transpose(image) if turned else image
            small = _on_white(upright)
            small.thumbnail((side, side))
            width, height = stored[::-1] if turned and orientation >= _TRANSPOSED else stored
            is_as_stored = orientation == 1 and image.format in _SHOWN and original is None
            return Thumbnail(_encoded(small), "", width, height, is_as_stored)


def is_turned(stored: tuple[int, int], orientation: int, size: tuple[int, int]) -> bool:
    """Whether the answer's sides are those of the image turned as its EXIF says, and not those it is stored with."""
    return orientation >= _TRANSPOSED and stored != size and stored == size[::-1]


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    opaque = Image.new("RGB", image.size, "white")
    opaque.paste(image, mask=image.convert("RGBA").getchannel("A"))
    return opaque


def _encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True, exif=b"")
    return base64.b64encode(buffer.getvalue()).decode()
