"""From the frame of an answer back to the image: boxes, polygons and sizes."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.schemas.scaling import Scale, scaled_back

SIDES = st.integers(50, 40_000)


def axis(image, frame):
    return Scale(np.array([image]), np.array([frame]))


def edge(position, image, frame):
    return int(axis(image, frame).edges(np.array([position]))[0])


@given(st.integers(-(2**20), 2**20), SIDES, SIDES)
def test_an_edge_is_the_nearest_pixel(position, image, frame):
    assert edge(position, image, frame) == floor(Fraction(position * image, frame) + Fraction(1, 2))


@given(st.data(), SIDES, SIDES)
def test_there_and_back_is_within_the_scale(data, one, another):
    image, frame = max(one, another), min(one, another)
    position = data.draw(st.integers(0, image))
    there = edge(position, frame, image)
    assert abs(edge(there, image, frame) - position) <= ceil(image / frame)


@given(st.data(), SIDES, SIDES)
def test_borders_stay_borders_and_order_stays_order(data, one, another):
    image, frame = max(one, another), min(one, another)
    first, last = sorted(data.draw(st.tuples(st.integers(0, frame), st.integers(0, frame))))
    assert (edge(0, image, frame), edge(frame, image, frame)) == (0, image)
    assert 0 <= edge(first, image, frame) <= edge(last, image, frame) <= image
    assert edge(last, image, frame) - edge(first, image, frame) >= last - first


def responses(*rows):
    names = ("original_width", "original_height", "sent_width", "sent_height")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return pa.table({name: pa.array(column, pa.int32()) for name, column in columns})


def images(*frames):
    answers, widths, heights = zip(*((number, *frame) for number, frame in frames), strict=True)
    sides = {"width": pa.array(widths, pa.int32()), "height": pa.array(heights, pa.int32())}
    return pa.table({"answer": pa.array(answers, pa.int64()), **sides})


def boxes(*rows):
    return pa.table(
        dict(zip("xywh", (pa.array(column, pa.int32()) for column in list(zip(*rows, strict=True))[1:]), strict=True))
    ).add_column(0, "answer", pa.array([row[0] for row in rows], pa.int64()))


FITTED, TURNED = (4000, 3000, 400, 300), (400, 300)


def test_every_table_is_scaled_in_the_frame_that_the_answer_names():
    kept = responses(FITTED, (None, None, 640, 480), FITTED, (None, None, None, None))
    polygon = [10.0, 20.0, 30.0, 20.0, 30.0, 40.5, 10.0, 40.0]
    tables = {
        "images": images((0, (400, 300)), (1, (640, 480)), (2, (300, 400))),  # the fourth answer was rejected
        "objects": boxes((0, 10, 20, 30, 40), (1, 10, 20, 30, 40), (2, 0, 0, 300, 400), (2, 299, 1, 1, 2)),
        "read_lines": pa.table(
            {
                "answer": pa.array([0, 1, 2], pa.int64()),
                "polygon": pa.array([polygon] * 3, pa.list_(pa.field("element", pa.float64()))),
            }
        ),
        "read_pages": pa.table({"answer": [0, 1, 2], "width": [400.0, None, 300.0], "height": [300.0, None, 400.0]}),
        "tags": pa.table({"answer": [0], "name": ["cat"]}),
    }
    scaled = scaled_back(tables, kept)
    assert scaled["images"].to_pydict() == {
        "answer": [0, 1, 2],
        "width": [4000, 640, 3000],
        "height": [3000, 480, 4000],
    }
    assert [tuple(row.values()) for row in scaled["objects"].to_pylist()] == [
        (0, 100, 200, 300, 400),
        (1, 10, 20, 30, 40),
        (2, 0, 0, 3000, 4000),
        (2, 2990, 10, 10, 20),
    ]
    tenfold = [10 * number for number in polygon]
    assert scaled["read_lines"]["polygon"].to_pylist() == [tenfold, polygon, tenfold]
    assert scaled["read_pages"].to_pylist()[1:] == [
        {"answer": 1, "width": None, "height": None},
        {"answer": 2, "width": 3000.0, "height": 4000.0},
    ]
    assert scaled["tags"] is tables["tags"] or scaled["tags"].equals(tables["tags"])
    assert {name: table.schema for name, table in scaled.items()} == {
        name: table.schema for name, table in tables.items()
    }


def test_a_frame_of_other_sides_is_told_by_its_form():
    kept = responses(FITTED, FITTED)
    tables = {"images": images((0, (200, 150)), (1, (150, 200))), "people": boxes((0, 20, 15, 1, 1), (1, 15, 20, 1, 1))}
    scaled = scaled_back(tables, kept)
    assert scaled["images"].to_pydict() == {"answer": [0, 1], "width": [4000, 3000], "height": [3000, 4000]}
    assert [row["x"] for row in scaled["people"].to_pylist()] == [400, 300]


def test_numbers_that_no_column_can_hold_end_at_its_limit():
    most = 2**31 - 1
    tables = {"images": images((0, (400, 300))), "objects": boxes((0, most, -(2**31), most, 2**31 - 1))}
    assert scaled_back(tables, responses(FITTED))["objects"].to_pylist()[0]["x"] == most


def test_batches_without_a_fitted_image_are_not_touched():
    tables = {"images": images((0, (640, 480)))}
    assert scaled_back(tables, responses((None, None, 640, 480))) is tables
