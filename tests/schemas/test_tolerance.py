"""What says the same in another spelling is read: an answer that was paid for is not lost to our own strictness."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from image_analysis_beam.schemas import flatten

BOX = {"x": 1, "y": 2, "w": 3, "h": 4}
TAGS = [{"name": "cat", "confidence": 0.5}]
WORD = {"text": "a", "boundingPolygon": [{"x": 1, "y": 2}] * 4, "confidence": 1}
BLOCKS = [{"lines": [{"text": "a", "boundingPolygon": [{"x": 1, "y": 2}] * 4, "words": [WORD]}]}]
THINGS = [{"boundingBox": BOX, "tags": TAGS}]


def envelope(**sections: Any) -> dict[str, Any]:
    return {"modelVersion": "2023-10-01", "metadata": {"width": 60, "height": 50}, **sections}


def as_floats(value: Any) -> Any:
    """The same JSON with every integer spelled as a float."""
    if isinstance(value, dict):
        return {name: as_floats(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_floats(inner) for inner in value]
    return float(value) if type(value) is int else value


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value


def same_rows(one: Any, other: Any, responses: Callable[..., pa.Table]) -> None:
    """Both answers are accepted and give the same rows."""
    tables = [flatten(responses(answer)) for answer in (one, other)]

    assert [flattened.rejected for flattened in tables] == [[], []]
    assert tables[0].unknown_fields == tables[1].unknown_fields
    for name, table in tables[0].tables.items():
        assert table.equals(tables[1].tables[name]), name


@pytest.mark.parametrize("name", ["ga_all_features", "preview_text", "preview_seed", "custom_sections", "custom_lists"])
def test_an_integral_float_is_its_integer(
    name: str, contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    body = contract_bodies[name]

    same_rows(as_floats(json.loads(body)), body, responses)


@pytest.mark.parametrize(
    ("number", "read"),
    [
        ("730.0", 730),
        ("7.3e2", 730),
        ("-0.0", 0),
        ("2147483647.0", 2**31 - 1),
        ("-2147483648.0", -(2**31)),
        ("730.5", "expected an integer, got 730.5"),
        ("2147483648.0", "expected an integer from -2147483648 to 2147483647, got 2147483648.0"),
        ("1e300", "expected an integer from -2147483648 to 2147483647, got 1e+300"),
        ("1e400", "expected an integer, got inf"),
        ('"730.0"', 'expected an integer, got "730.0"'),
    ],
)
def test_other_floats_are_none(number: str, read: Any, responses: Callable[..., pa.Table]) -> None:
    body = json.dumps(envelope(peopleResult={"values": [{"confidence": 1, "boundingBox": BOX | {"x": -777}}]}))

    flattened = flatten(responses(body.replace("-777", number)))

    assert [rejection.message for rejection in flattened.rejected] == ([read] if isinstance(read, str) else [])
    assert flattened.tables["people"]["x"].to_pylist() == ([] if isinstance(read, str) else [read])


@pytest.mark.parametrize(
    "answer",
    [
        envelope(readResult={"pages": None, "blocks": BLOCKS}),
        envelope(readResult={"pages": None, "content": None, "stringIndexType": None, "styles": None}),
        envelope(readResult=None, captionResult=None, customModelResult=None),
        envelope(
            customModelResult={"tagsResult": None, "objectsResult": None, "classifications": [], "objects": THINGS}
        ),
        envelope(customModelResult={"classifications": None, "objects": None, "tagsResult": {"values": TAGS}}),
        envelope(modelVersion=None, tagsResult={"values": TAGS}),
        envelope(objectsResult={"values": [THINGS[0] | {"id": None}]}),
    ],
    ids=str,
)
def test_null_is_absent(answer: dict[str, Any], responses: Callable[..., pa.Table]) -> None:
    same_rows(answer, without_nulls(answer), responses)


def test_null_beside_the_previews_pages_is_absent(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    answer = json.loads(contract_bodies["preview_text"])
    answer["readResult"] |= {"blocks": None, "styles": None, "modelVersion": None}

    same_rows(answer, without_nulls(answer), responses)


@pytest.mark.parametrize(
    "answer",
    [
        lambda values: envelope(tagsResult={"values": values}, objectsResult={"values": values}),
        lambda tags: envelope(objectsResult={"values": [{"boundingBox": BOX, "tags": tags}]}),
        lambda lines: envelope(readResult={"blocks": [{"lines": lines}]}),
        lambda words: envelope(readResult={"blocks": [{"lines": [BLOCKS[0]["lines"][0] | {"words": words}]}]}),
    ],
)
def test_a_null_list_is_an_empty_one(answer: Callable[[Any], Any], responses: Callable[..., pa.Table]) -> None:
    same_rows(answer(None), answer([]), responses)


@pytest.mark.parametrize(
    ("answer", "path", "message"),
    [
        (envelope(tagsResult={"items": TAGS}), "tagsResult.values", "expected a list, got nothing"),
        (
            envelope(readResult={"blocks": [{"paragraphs": []}]}),
            "readResult.blocks[0].lines",
            "expected a list, got nothing",
        ),
        (envelope(readResult={"content": "a", "stringIndexType": "b", "pages": None}), "readResult.pages", "got null"),
        (envelope(readResult={"content": "a", "stringIndexType": "b"}), "readResult.pages", "got nothing"),
        (envelope(tagsResult={"values": [None]}), "tagsResult.values[0]", "expected an object, got null"),
        (envelope(captionResult={"text": None, "confidence": 1}), "captionResult.text", "expected a text, got null"),
        (envelope(metadata=None), "metadata", "expected an object, got null"),
    ],
)
def test_what_would_lose_something_is_refused(
    answer: Any, path: str, message: str, responses: Callable[..., pa.Table]
) -> None:
    (rejection,) = flatten(responses(answer)).rejected

    assert rejection.path == path
    assert message in rejection.message


def test_a_byte_order_mark_is_not_part_of_the_answer(responses: Callable[..., pa.Table]) -> None:
    body = json.dumps(envelope(tagsResult={"values": TAGS}))

    same_rows(f"\ufeff{body}", body, responses)
