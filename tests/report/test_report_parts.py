"""The report's own arithmetic: sums against naive ones, states of time, variety, thumbnails, wording."""

from __future__ import annotations

import base64
import io
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_analysis_beam.pipeline.report import aggregates, charts, sample, wording
from image_analysis_beam.pipeline.report.accounts import pace
from image_analysis_beam.pipeline.report.layers import LAYERS, shape
from image_analysis_beam.pipeline.report.thumbnails import MOST_PIXELS, thumbnail

CONFIDENCE = st.one_of(st.none(), st.floats(0, 1))


def chunked(values, kind):
    return pa.chunked_array([pa.array(values, kind)])


@given(st.lists(st.lists(st.one_of(st.none(), st.text(max_size=3)))))
def test_names_are_counted_over_batches(batches):
    names = aggregates.Names()
    for batch in batches:
        names.add(chunked(batch, pa.string()))
    expected = Counter(name for batch in batches for name in batch if name is not None)
    assert dict(names.most_common(10_000)) == expected
    assert names.is_exact


def test_names_stay_bounded_and_keep_the_frequent_ones(monkeypatch):
    monkeypatch.setattr(aggregates, "MOST_NAMES", 100)
    names = aggregates.Names()
    for batch in range(20):
        names.add(chunked(["often"] * 5 + [f"{batch}-{number}" for number in range(90)], pa.string()))
        assert len(names) <= 100
    assert names.most_common(1) == [("often", 100)]
    assert not names.is_exact


@given(st.lists(st.lists(CONFIDENCE)))
def test_every_confidence_is_in_its_bin(batches):
    confidences = aggregates.Confidences()
    for batch in batches:
        confidences.add(chunked(batch, pa.float64()))
    everything = [value for batch in batches for value in batch if value is not None]
    expected = Counter(
        min(int(value * aggregates.CONFIDENCE_BINS), aggregates.CONFIDENCE_BINS - 1) for value in everything
    )
    assert confidences.bins == [expected[number] for number in range(aggregates.CONFIDENCE_BINS)]


def test_confidences_out_of_range_and_not_numbers_harm_nothing():
    confidences = aggregates.Confidences()
    confidences.add(chunked([-1.0, 7.0, float("nan"), float("inf")], pa.float64()))
    assert (confidences.bins[0], confidences.bins[-1], confidences.total) == (1, 1, 2)


@given(st.lists(st.floats(0, 1e7), min_size=1))
def test_every_latency_is_in_a_bucket_and_buckets_have_no_gap(milliseconds):
    latencies = aggregates.Latencies()
    latencies.add(chunked(milliseconds, pa.float64()))
    buckets = latencies.buckets()
    assert sum(bucket.number for bucket in buckets) == len(milliseconds)
    assert all(one.high == two.low for one, two in pairwise(buckets))
    assert buckets[0].low <= max(min(milliseconds) / 1000, 1e-4) * 1.0001
    assert buckets[-1].high >= max(milliseconds) / 1000 * 0.9999


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


def test_the_sample_is_the_same_whatever_the_batches(monkeypatch):
    monkeypatch.setattr(sample, "CANDIDATES", 7)
    rows = [{"image_id": f"{number * 7919 % 100:032x}", "fingerprint": "f", "run_id": "r"} for number in range(100)]
    for size in (1, 13, 100):
        candidates = sample.Candidates()
        for start in range(0, 100, size):
            candidates.add(pa.Table.from_pylist(rows[start : start + size]))
        assert list(candidates.rows()) == [f"{number:032x}" for number in range(7)]


def test_images_that_show_something_new_come_first():
    def item(*names):
        return {"tags": [{"name": name, "confidence": 0.9} for name in names]}

    shown = {"a": item("cat"), "b": item("cat"), "c": item("dog", "cat"), "d": {}, "e": item("bird")}
    assert sample.most_varied(shown, 2) == ["c", "e"]
    assert set(sample.most_varied(shown)) == set("abcde")


def picture(path, orientation=1, size=(60, 100), corner="red"):
    """A grey picture with a coloured top left corner, as stored."""
    image = Image.new("RGB", size, "grey")
    image.paste(corner, (0, 0, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return str(path)


def corner_of(data_uri):
    """The size of a thumbnail and the corner in which it is red."""
    image = Image.open(io.BytesIO(base64.b64decode(data_uri.split(",")[1])))
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
    made = thumbnail(picture(tmp_path / "a.jpg", orientation), *answered)
    assert corner_of(made.data_uri) == where


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_has_a_thumbnail(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new(mode, (1200, 60)).save(path)
    made = thumbnail(str(path), 1200, 60)
    assert corner_of(made.data_uri)[0] == (480, 24)


def test_pictures_too_large_to_decode_have_none(tmp_path):
    side = int(MOST_PIXELS**0.5) + 1
    Image.new("1", (side, side)).save(tmp_path / "large.png")
    assert thumbnail(str(tmp_path / "large.png"), side, side).why_not.endswith("are too many to draw")


def test_polygons_that_are_none_are_not_drawn():
    (lines,) = (layer for layer in LAYERS if layer.table == "read_lines")
    assert shape(lines, {"text": "a", "polygon": []}) is None
    assert shape(lines, {"text": "a", "polygon": [0, 0, 9, 0, 9, 4.5, 0, 4]}).points == "0,0 9,0 9,4.5 0,4"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.count(1234567), "1\u2009234\u2009567"),
        (wording.confidence(0.001), "0.001"),
        (wording.confidence(1), "1.00"),
        (wording.confidence(None), ""),
        (wording.seconds(0), "0 s"),
        (wording.seconds(0.0042), "4.2 ms"),
        (wording.seconds(7.25), "7.2 s"),
        (wording.seconds(90), "90 s"),
        (wording.seconds(600), "10 min"),
        (wording.seconds(9000), "2.5 h"),
        (wording.readable("a\x00b\nc"), "a\u2400b\nc"),
    ],
)
def test_wording(written, expected):
    assert written == expected


@given(st.text(min_size=1))
def test_labels_of_charts_are_escaped(label):
    drawn = str(charts.histogram([1, 2], [label, label], label))
    assert drawn.count("<") == drawn.count(">") == 10
