"""Small JPEG copies of images, turned as the service saw them, so that boxes sit where they belong."""

from __future__ import annotations

import base64
import io
import warnings
from typing import NamedTuple

from PIL import Image, ImageOps

from ...transforms.endpoint.payload import bytes_payload
from ...transforms.endpoint.pictures import PayloadFault
from ...transforms.endpoint.request import AnalyzeRequest
from ...transforms.endpoint.uri import HTTP_SCHEMES, ImageRef, InvalidUri, check
from ...transforms.files.storage import open_bytes

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


def thumbnail(image_uri: str, size: tuple[int, int] | None, side: int) -> Thumbnail:
    """The thumbnail of an image that was answered with that size, no side longer than `side`.

    Images on the web are not fetched: what is kept of their URL has no signature, and making a report calls nobody.
    """
    try:
        if check(image_uri) in HTTP_SCHEMES:
            return Thumbnail("", ON_THE_WEB)
        payload = bytes_payload(ImageRef.of(image_uri), _READ, open_bytes)
        return _small(payload.body, size, side)
    except (InvalidUri, PayloadFault, NotDrawable) as error:
        return Thumbnail("", str(error))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Thumbnail("", f"the image cannot be decoded: {error}")


class NotDrawable(Exception):
    """The file cannot stand for the image that was answered; the message says why."""


def _small(data: bytes, size: tuple[int, int] | None, side: int) -> Thumbnail:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as image:
            orientation = image.getexif().get(_ORIENTATION, 1)
            turned = is_turned(image, *size) if size else True
            if size and not turned and image.size != size:
                now, then = (f"{width}x{height}" for width, height in (image.size, size))
                raise NotDrawable(f"the file is now {now} pixels; it was {then}")
            stored = image.size
            image.draft("RGB", (side * 2, side * 2))
            if image.width * image.height > MOST_PIXELS:
                raise NotDrawable(f"{stored[0]}x{stored[1]} pixels are too many to draw")
            upright = ImageOps.exif_transpose(image) if turned else image
            small = _on_white(upright)
            small.thumbnail((side, side))
            width, height = stored[::-1] if turned and orientation >= _TRANSPOSED else stored
            return Thumbnail(_encoded(small), "", width, height, orientation == 1 and image.format in _SHOWN)


def is_turned(image: Image.Image, width: int, height: int) -> bool:
    """Whether the answer's sides are those of the image turned as its EXIF says, and not those it is stored with."""
    is_transposing = image.getexif().get(_ORIENTATION, 1) >= _TRANSPOSED
    return is_transposing and image.size != (width, height) and image.size == (height, width)


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
