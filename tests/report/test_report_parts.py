"""The report's own arithmetic: states of time, thumbnails, places, wording."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_analysis_beam.pipeline.report import wording
from image_analysis_beam.pipeline.report.accounts import pace
from image_analysis_beam.pipeline.report.layers import is_place
from image_analysis_beam.pipeline.report.thumbnails import MOST_PIXELS, thumbnail
from image_analysis_beam.pipeline.terminal import seconds
from stand_ins.report_page import decoded


def test_silent_seconds_belong_to_what_came_before():
    timeline = [
        {"at": 10, "seconds": 1, "answered": 5},
        {"at": 11, "seconds": 1, "answered": 5, "throttled": 1},
        {"at": 13, "seconds": 1, "answered": 2, "service_error": 2},
        {"at": 14, "seconds": 1, "unreachable": 3},
        {"at": 16, "seconds": 1, "answered": 1},
        {"at": 18, "seconds": 1, "answered": 1},
    ]
    steps = pace({"timeline": timeline})
    assert [step.state for step in steps] == ["", "throttled", "throttled", "", "outage", "outage", "", "", ""]
    assert [step.failed for step in steps] == [0, 0, 0, 2, 3, 0, 0, 0, 0]
    assert sum(step.answered for step in steps) == 14


def picture(path, orientation=1, size=(60, 100), corner="red"):
    """A grey picture with a coloured top left corner, as stored."""
    image = Image.new("RGB", size, "grey")
    image.paste(corner, (0, 0, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return str(path)


def corner_of(data):
    """The size of a thumbnail and the corner in which it is red."""
    image = decoded(data)
    assert not image.getexif()
    places = {"top left": (8, 8), "top right": (image.width - 8, 8)}
    red = [name for name, place in places.items() if image.getpixel(place)[0] > 200]
    return image.size, red


@pytest.mark.parametrize(
    ("orientation", "answered", "where"),
    [
        (1, (60, 100), ((60, 100), ["top left"])),
        (6, (60, 100), ((60, 100), ["top left"])),  # answered as stored
        (6, (100, 60), ((100, 60), ["top right"])),  # answered as turned by its EXIF
        (3, (60, 100), ((60, 100), ["top left"])),
    ],
)
def test_a_thumbnail_is_turned_as_the_answer_was(tmp_path, orientation, answered, where):
    made = thumbnail(picture(tmp_path / "a.jpg", orientation), answered, 480)
    assert corner_of(made.data) == where
    assert (made.width, made.height) == answered
    assert made.is_as_stored == (orientation == 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_has_a_thumbnail(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new(mode, (1200, 60)).save(path)
    made = thumbnail(str(path), (1200, 60), 480)
    assert corner_of(made.data)[0] == (480, 24)


def test_pictures_too_large_to_decode_have_none(tmp_path):
    side = int(MOST_PIXELS**0.5) + 1
    Image.new("1", (side, side)).save(tmp_path / "large.png")
    assert thumbnail(str(tmp_path / "large.png"), (side, side), 480).why_not.endswith("are too many to draw")


def test_what_is_no_place_is_not_drawn():
    assert not is_place(None)
    assert not is_place([])
    assert not is_place([1, 2, None, 4])
    assert not is_place([0, 0, 9, 0, 9])
    assert is_place([0, 0, 9, 4])
    assert is_place([0, 0, 9, 0, 9, 4.5, 0, 4])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (seconds(0), "0 s"),
        (seconds(0.0042), "4.2 ms"),
        (seconds(7.25), "7.2 s"),
        (seconds(90), "90 s"),
        (seconds(600), "10 min"),
        (seconds(9000), "2.5 h"),
        (wording.readable("a\x00b\nc"), "a\u2400b\nc"),
        (wording.readable("abcdef", 4), "abcd… (2 more characters are in the table)"),
        (wording.readable("\ud800"), "?"),
        (wording.readable(None), ""),
    ],
)
def test_wording(written, expected):
    assert written == expected


@given(st.text())
def test_no_text_ends_the_script_element_that_holds_it(text):
    written = wording.escaped(json.dumps([text], ensure_ascii=False))
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == [text]
