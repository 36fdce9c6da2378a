"""`turns`: a picture is seen as stored, or as its EXIF orientation turns it; a TIFF too, which Pillow itself turns."""

from __future__ import annotations

import pytest
from PIL import ExifTags, Image, ImageDraw

from image_analysis_beam.emulator import Emulator
from stand_ins.rectangles import TURNS

from .conftest import Caller, encode


def block() -> Image.Image:
    """Grey with a red block at the top left."""
    image = Image.new("RGB", (320, 200), "grey")
    ImageDraw.Draw(image).rectangle((10, 10, 90, 70), fill=(210, 25, 25))
    return image


def seen(caller: Caller, data: bytes) -> tuple[tuple[int, int], tuple[bool, bool]]:
    """The sides, and whether the block is in the left and in the upper half."""
    answer = caller.analyze(data, "objects").json()
    size = answer["metadata"]["width"], answer["metadata"]["height"]
    box = answer["objectsResult"]["values"][0]["boundingBox"]
    return size, (2 * box["x"] + box["w"] < size[0], 2 * box["y"] + box["h"] < size[1])


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_seen_as_stored_or_as_it_is_turned(
    emulator: Emulator, caller: Caller, file_format: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encode(block(), file_format, exif=exif)
    assert seen(caller, data) == ((320, 200), (True, True))
    emulator.set_faults({"turns": True})
    upright = block().transpose(TURNS[orientation]) if orientation > 1 else block()
    assert seen(caller, data) == seen(caller, encode(upright, "PNG"))
    assert seen(caller, data)[0] == upright.size
