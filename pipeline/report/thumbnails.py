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

LONGEST_SIDE = 480
MOST_PIXELS = 50_000_000  # of formats that have to be decoded whole
_QUALITY = 72
_READ = AnalyzeRequest(features=("tags",))  # reading needs a limit on bytes, and that is the request's


class Thumbnail(NamedTuple):
    """A data URI, or the reason why there is none."""

    data_uri: str
    why_not: str


def thumbnail(image_uri: str, width: int, height: int) -> Thumbnail:
    """The thumbnail of an image that was answered as `width` x `height` pixels.

    Images on the web are not fetched: what is kept of their URL has no signature, and making a report calls nobody.
    """
    try:
        if check(image_uri) in HTTP_SCHEMES:
            return Thumbnail("", "on the web; the report fetches nothing")
        payload = bytes_payload(ImageRef.of(image_uri), _READ, open_bytes)
        return Thumbnail(_data_uri(_small(payload.body, width, height)), "")
    except (InvalidUri, PayloadFault, NotDrawable) as error:
        return Thumbnail("", str(error))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Thumbnail("", f"the image cannot be decoded: {error}")


class NotDrawable(Exception):
    """The file cannot stand for the image that was answered; the message says why."""


def _small(data: bytes, width: int, height: int) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as image:
            turned = is_turned(image, width, height)
            if not turned and image.size != (width, height):
                raise NotDrawable(f"the file is now {image.width}x{image.height} pixels; it was {width}x{height}")
            image.draft("RGB", (LONGEST_SIDE * 2, LONGEST_SIDE * 2))
            if image.width * image.height > MOST_PIXELS:
                raise NotDrawable(f"{width}x{height} pixels are too many to draw")
            upright = ImageOps.exif_transpose(image) if turned else image
            small = _on_white(upright)
            small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            return small


def is_turned(image: Image.Image, width: int, height: int) -> bool:
    """Whether the answer's sides are those of the image turned as its EXIF says, and not those it is stored with."""
    is_transposing = image.getexif().get(0x0112) in (5, 6, 7, 8)
    return is_transposing and image.size != (width, height) and image.size == (height, width)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    opaque = Image.new("RGB", image.size, "white")
    opaque.paste(image, mask=image.convert("RGBA").getchannel("A"))
    return opaque


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True, exif=b"")
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
