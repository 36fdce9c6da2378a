"""Any valid answer can be rebuilt from its rows, every number bit for bit."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_analysis_beam.schemas import flatten

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
INT = st.integers(-(2**31), 2**31 - 1)
BOX = st.fixed_dictionaries(dict.fromkeys("xywh", INT))
TAG = st.fixed_dictionaries({"name": TEXT, "confidence": NUMBER})
OBJECT = st.fixed_dictionaries({"boundingBox": BOX, "tags": st.lists(TAG, max_size=3)}, optional={"id": TEXT})
SPAN = st.fixed_dictionaries({"offset": st.integers(0, 100), "length": st.integers(0, 100)})
SPANS = st.lists(SPAN, max_size=2)
POINTS = st.lists(st.fixed_dictionaries({"x": INT, "y": INT}), min_size=4, max_size=4)
EIGHT = st.lists(NUMBER, min_size=8, max_size=8)


def values(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"values": st.lists(st.fixed_dictionaries(fields), max_size=4)})


OBJECTS = st.fixed_dictionaries({"values": st.lists(OBJECT, max_size=4)})
WORD = st.fixed_dictionaries({"text": TEXT, "boundingPolygon": POINTS, "confidence": NUMBER})
LINE = st.fixed_dictionaries({"text": TEXT, "boundingPolygon": POINTS, "words": st.lists(WORD, max_size=3)})
GA_READ = st.fixed_dictionaries(
    {"blocks": st.lists(st.fixed_dictionaries({"lines": st.lists(LINE, max_size=3)}), max_size=2)}
)
PREVIEW_WORD = st.fixed_dictionaries({"content": TEXT, "boundingBox": EIGHT, "confidence": NUMBER, "span": SPAN})
PREVIEW_LINE = st.fixed_dictionaries({"content": TEXT, "boundingBox": EIGHT, "spans": SPANS})
PAGE = st.fixed_dictionaries(
    {
        "height": NUMBER,
        "width": NUMBER,
        "angle": NUMBER,
        "pageNumber": INT,
        "words": st.lists(PREVIEW_WORD, max_size=4),
        "spans": SPANS,
        "lines": st.lists(PREVIEW_LINE, max_size=3),
    }
)
STYLE = st.fixed_dictionaries({"isHandwritten": st.booleans(), "confidence": NUMBER, "spans": SPANS})
PREVIEW_READ = st.fixed_dictionaries(
    {
        "stringIndexType": TEXT,
        "content": TEXT,
        "pages": st.lists(PAGE, min_size=1, max_size=2),
        "styles": st.lists(STYLE, max_size=2),
    },
    optional={"modelVersion": TEXT},
)
CLASS = st.fixed_dictionaries({"label": TEXT, "confidence": NUMBER})
CUSTOM = st.one_of(
    st.fixed_dictionaries({"tagsResult": values(name=TEXT, confidence=NUMBER), "objectsResult": OBJECTS}),
    st.fixed_dictionaries({"classifications": st.lists(CLASS, max_size=3), "objects": st.lists(OBJECT, max_size=3)}),
)
ANSWER = st.fixed_dictionaries(
    {
        "modelVersion": TEXT,
        "metadata": st.fixed_dictionaries({side: st.integers(1, 2**31 - 1) for side in ("width", "height")}),
    },
    optional={
        "captionResult": st.fixed_dictionaries({"text": TEXT, "confidence": NUMBER}),
        "denseCaptionsResult": values(text=TEXT, confidence=NUMBER, boundingBox=BOX),
        "tagsResult": values(name=TEXT, confidence=NUMBER),
        "objectsResult": OBJECTS,
        "readResult": st.one_of(GA_READ, PREVIEW_READ),
        "smartCropsResult": values(aspectRatio=NUMBER, boundingBox=BOX),
        "peopleResult": values(boundingBox=BOX, confidence=NUMBER),
        "customModelResult": CUSTOM,
    },
)


class Rebuilder:
    """The inverse of flattening for one answer, told its shape where two shapes share a table."""

    def __init__(self, tables: dict[str, pa.Table], image_id: str, answer: dict[str, Any]) -> None:
        self._tables, self._id, self._answer = tables, image_id, answer

    def rows(self, table: str, **where: int) -> list[dict[str, Any]]:
        found = [row for row in self._tables[table].to_pylist() if row["image_id"] == self._id]
        assert [row.get("ordinal", 0) for row in found] == list(range(len(found)))
        return [row for row in found if all(row[name] == value for name, value in where.items())]

    def answer(self) -> dict[str, Any]:
        (image,) = self.rows("images")
        sections = {name: getattr(self, f"_{name}")() for name in image["sections"]}
        metadata = {"width": image["width"], "height": image["height"]}
        return {"modelVersion": image["model_version"], "metadata": metadata, **sections}

    def _captionResult(self) -> Any:
        (row,) = self.rows("captions")
        return {"text": row["text"], "confidence": row["confidence"]}

    def _denseCaptionsResult(self) -> Any:
        return {
            "values": [
                {"text": row["text"], "confidence": row["confidence"], "boundingBox": box(row)}
                for row in self.rows("dense_captions")
            ]
        }

    def _tagsResult(self) -> Any:
        return {"values": [{"name": row["name"], "confidence": row["confidence"]} for row in self.rows("tags")]}

    def _objectsResult(self) -> Any:
        return {"values": [thing(row) for row in self.rows("objects")]}

    def _peopleResult(self) -> Any:
        people = self.rows("people")
        return {"values": [{"boundingBox": box(row), "confidence": row["confidence"]} for row in people]}

    def _smartCropsResult(self) -> Any:
        crops = self.rows("smart_crops")
        return {"values": [{"aspectRatio": row["aspect_ratio"], "boundingBox": box(row)} for row in crops]}

    def _customModelResult(self) -> Any:
        classes, things = self.rows("custom_tags"), [thing(row) for row in self.rows("custom_objects")]
        if "tagsResult" in self._answer["customModelResult"]:
            tags = [{"name": row["name"], "confidence": row["confidence"]} for row in classes]
            return {"tagsResult": {"values": tags}, "objectsResult": {"values": things}}
        labels = [{"label": row["name"], "confidence": row["confidence"]} for row in classes]
        return {"classifications": labels, "objects": things}

    def _readResult(self) -> Any:
        if "blocks" in self._answer["readResult"]:
            return {"blocks": [{"lines": self._ga_lines(page["ordinal"])} for page in self.rows("read_pages")]}
        pages = self.rows("read_pages")
        version = pages[0]["read_model_version"]
        return {
            "stringIndexType": pages[0]["string_index_type"],
            "content": pages[0]["content"],
            "pages": [self._preview_page(page) for page in pages],
            "styles": [
                {"isHandwritten": row["is_handwritten"], "confidence": row["confidence"], "spans": row["spans"]}
                for row in self.rows("read_styles")
            ],
            **({} if version is None else {"modelVersion": version}),
        }

    def _ga_lines(self, page: int) -> list[Any]:
        return [
            {
                "text": line["text"],
                "boundingPolygon": points(line),
                "words": [
                    {"text": word["text"], "boundingPolygon": points(word), "confidence": word["confidence"]}
                    for word in self.rows("read_words", line_ordinal=line["ordinal"])
                ],
            }
            for line in self.rows("read_lines", page_ordinal=page)
        ]

    def _preview_page(self, page: dict[str, Any]) -> dict[str, Any]:
        return {
            "height": page["height"],
            "width": page["width"],
            "angle": page["angle"],
            "pageNumber": page["page_number"],
            "spans": page["spans"],
            "words": [
                {
                    "content": word["text"],
                    "boundingBox": word["polygon"],
                    "confidence": word["confidence"],
                    "span": {"offset": word["span_offset"], "length": word["span_length"]},
                }
                for word in self.rows("read_words", page_ordinal=page["ordinal"])
            ],
            "lines": [
                {"content": line["text"], "boundingBox": line["polygon"], "spans": line["spans"]}
                for line in self.rows("read_lines", page_ordinal=page["ordinal"])
            ],
        }


def box(row: dict[str, Any]) -> dict[str, int]:
    return {side: row[side] for side in "xywh"}


def points(row: dict[str, Any]) -> list[dict[str, int]]:
    numbers = [int(number) for number in row["polygon"]]
    return [{"x": x, "y": y} for x, y in zip(numbers[0::2], numbers[1::2], strict=True)]


def thing(row: dict[str, Any]) -> dict[str, Any]:
    found = {"boundingBox": box(row), "tags": row["tags"]}
    return found if row["id"] is None else {**found, "id": row["id"]}


def bits(value: Any) -> Any:
    """The value with every float as its eight bytes, so that -0.0 is not 0.0."""
    if isinstance(value, dict):
        return {name: bits(item) for name, item in value.items()}
    if isinstance(value, list):
        return [bits(item) for item in value]
    return struct.pack(">d", value) if isinstance(value, float) else value


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(answers=st.lists(ANSWER, min_size=1, max_size=4))
def test_answers_are_rebuilt_from_their_rows(answers: list[dict[str, Any]], responses: Callable[..., pa.Table]) -> None:
    flattened = flatten(responses(*answers))

    assert flattened.rejected == []
    assert flattened.unknown_fields == {}
    for image, answer in enumerate(answers):
        rebuilt = Rebuilder(flattened.tables, f"{image:032x}", answer).answer()
        assert bits(rebuilt) == bits(json.loads(json.dumps(answer)))


@settings(max_examples=200)
@given(numbers=st.lists(st.one_of(NUMBER, st.integers(-(2**53), 2**53)), min_size=1, max_size=20))
def test_every_number_is_stored_exactly(numbers: list[float], responses: Callable[..., pa.Table]) -> None:
    tags = [{"name": "n", "confidence": number} for number in numbers]
    answer = {"modelVersion": "v", "metadata": {"width": 1, "height": 1}, "tagsResult": {"values": tags}}

    stored = flatten(responses(answer)).tables["tags"]["confidence"].to_pylist()

    assert stored == numbers
    assert bits(stored) == bits([float(number) for number in numbers])
