"""The wire forms of both generations, against the samples of the contract, and custom models."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.emulator.analysis.geometry import Box
from image_analysis_beam.emulator.analysis.sections import Line, Sections, Word
from image_analysis_beam.emulator.query import Query
from image_analysis_beam.emulator.shapes import answer, text_elements

from .conftest import ALL_FEATURES, Caller

PREVIEW = "2023-02-01-preview"
SQUARE = (0, 0, 9, 0, 9, 9, 0, 9)


def sections(*lines: str) -> Sections:
    return Sections(
        width=100,
        height=80,
        caption=("a picture", 0.8),
        dense_captions=[("a picture", 0.8, Box(0, 0, 100, 80))],
        tags=[("red", 0.9)],
        objects=[("red region", 0.5, Box(1, 2, 3, 4))],
        people=[(0.001, Box(1, 2, 3, 4))],
        crops=[(0.9, Box(0, 0, 72, 80))],
        colour_shares=[("red", 0.75), ("blue", 0.25)],
        lines=[Line(line, SQUARE, tuple(Word(w, SQUARE, 0.9) for w in line.split(" "))) for line in lines],
    )


def read(version: str, *lines: str, no_text: str = "empty_blocks"):
    return answer(sections(*lines), Query(version, ("read",)), no_text, False)["readResult"]


def test_ga_read():
    corners = [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}, {"x": 0, "y": 9}]
    word = {"text": "Hall", "boundingPolygon": corners, "confidence": 0.9}
    assert read("2023-10-01", "Hall") == {
        "blocks": [{"lines": [{"text": "Hall", "boundingPolygon": corners, "words": [word]}]}]
    }


@pytest.mark.parametrize(
    ("form", "expected"),
    [("empty_blocks", {"blocks": []}), ("empty_lines", {"blocks": [{"lines": []}]}), ("absent", {})],
)
def test_ga_read_without_text(form, expected):
    assert read("2024-02-01", no_text=form) == expected


def test_preview_read_without_text_is_the_recorded_sample():
    assert read(PREVIEW) == {
        "stringIndexType": "TextElements",
        "content": "",
        "pages": [
            {
                "height": 80,
                "width": 100,
                "angle": 0,
                "pageNumber": 1,
                "words": [],
                "spans": [{"offset": 0, "length": 0}],
                "lines": [],
            }
        ],
        "styles": [],
        "modelVersion": "2022-04-30",
    }


def test_preview_read_spans_are_those_of_the_recorded_sample():
    result = read(PREVIEW, "9:35 AM", "Town Hall")
    page = result["pages"][0]
    assert result["content"] == "9:35 AM\nTown Hall"
    assert [word["span"] for word in page["words"]] == [
        {"offset": 0, "length": 4},
        {"offset": 5, "length": 2},
        {"offset": 8, "length": 4},
        {"offset": 13, "length": 4},
    ]
    assert [line["spans"] for line in page["lines"]] == [[{"offset": 0, "length": 7}], [{"offset": 8, "length": 9}]]
    assert page["spans"] == [{"offset": 0, "length": 17}]
    assert page["words"][0]["boundingBox"] == list(SQUARE)


words = st.text("bcé\u0301\U0001f600").map("a".__add__)


@given(st.lists(st.lists(words, min_size=1, max_size=4).map(" ".join), max_size=5))
def test_preview_spans_cut_the_content_into_its_words(lines):
    result = read(PREVIEW, *lines)
    elements = split_elements(result["content"])
    for word in result["pages"][0]["words"]:
        start = word["span"]["offset"]
        assert "".join(elements[start : start + word["span"]["length"]]) == word["content"]


def test_words_need_not_be_apart():
    line = Line("価格123円", SQUARE, (Word("価格", SQUARE, 0.9), Word("123", SQUARE, 0.9), Word("円", SQUARE, 0.9)))
    page = answer(replace(sections(), lines=[line]), Query(PREVIEW, ("read",)), "absent", False)["readResult"]["pages"][
        0
    ]
    assert [(w["span"]["offset"], w["span"]["length"]) for w in page["words"]] == [(0, 2), (2, 3), (5, 1)]


def split_elements(text: str) -> list[str]:
    """Grapheme clusters of texts without joiners or flags, by another way than the emulator's."""
    elements: list[str] = []
    for char in text:
        if elements and unicodedata.combining(char) and elements[-1] not in {" ", "\n"}:
            elements[-1] += char
        else:
            elements.append(char)
    return elements


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("abc", 3),
        ("e\u0301a", 2),
        ("\U0001f469\u200d\U0001f469\u200d\U0001f467!", 2),
        ("\U0001f44d\U0001f3fd", 1),
        ("\U0001f1ef\U0001f1f5\U0001f1eb\U0001f1f7", 2),
        ("\u2764\ufe0f", 1),
        ("\r\n", 1),
        ("漢字", 2),
    ],
)
def test_text_elements(text, count):
    assert text_elements(text) == count


@pytest.mark.parametrize("version", ["2023-02-01-preview", "2023-04-01-preview", "2023-10-01", "2024-02-01"])
def test_sections_of_each_version(caller: Caller, picture: bytes, version):
    reply = caller.analyze(picture, ALL_FEATURES, api_version=version).json()
    model = version if "preview" in version else "2023-10-01"
    assert reply["modelVersion"] == f"{model}-emulator"
    assert set(reply) == {
        "modelVersion", "metadata", "captionResult", "denseCaptionsResult", "tagsResult", "objectsResult", "readResult",
        "smartCropsResult", "peopleResult",
    }  # fmt: skip
    assert ("pages" in reply["readResult"]) is ("preview" in version)


def test_replies_are_compact(caller: Caller, picture: bytes):
    text = caller.analyze(picture).text
    assert ": " not in text
    assert ', "' not in text


def test_classifier(caller: Caller, picture: bytes):
    reply = caller.post(picture, api_version=PREVIEW, model_name="fruit").json()
    assert set(reply) == {"customModelResult", "modelVersion", "metadata"}
    assert set(reply["customModelResult"]) == {"tagsResult", "objectsResult"}
    classes = reply["customModelResult"]["tagsResult"]["values"]
    assert sum(row["confidence"] for row in classes) == pytest.approx(1, abs=0.01)
    assert classes == sorted(classes, key=lambda row: -row["confidence"])
    assert reply["customModelResult"]["objectsResult"] == {"values": []}


def test_detector(caller: Caller, picture: bytes):
    custom = caller.post(picture, api_version="2023-04-01-preview", Model_Name="shelves").json()["customModelResult"]
    assert custom["tagsResult"] == {"values": []}
    assert all(len(found["tags"]) == 1 for found in custom["objectsResult"]["values"])
    assert "red region" in {found["tags"][0]["name"] for found in custom["objectsResult"]["values"]}
