"""What is not the contract is rejected whole, and the error names the place; what it does not name is counted."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from enum import Enum
from typing import Any

import pyarrow as pa
import pytest

from image_analysis_beam.schemas import Flattened, flatten

MISSING = Enum("Missing", "FIELD").FIELD  # its name in test ids is the same in every process


def changed(answer: Any, place: str, value: Any) -> Any:
    """A copy of the answer with another value at a place such as `tagsResult.values.0.name`."""
    answer = copy.deepcopy(answer)
    *way, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    target = answer
    for step in way:
        target = target[step]
    if value is MISSING:
        del target[last]
    else:
        target[last] = value
    return answer


CASES = [
    (
        "ga_all_features",
        "objectsResult.values.0.boundingBox.x",
        "12",
        "objectsResult.values[0].boundingBox.x",
        'expected an integer, got "12"',
    ),
    ("ga_all_features", "tagsResult.values.1.confidence", None, "tagsResult.values[1].confidence", "got null"),
    ("ga_all_features", "tagsResult.values.1.confidence", MISSING, "tagsResult.values[1].confidence", "got nothing"),
    ("ga_all_features", "tagsResult.values.1.confidence", True, "tagsResult.values[1].confidence", "got true"),
    ("ga_all_features", "tagsResult.values.1.confidence", 2**53 + 1, "tagsResult.values[1].confidence", "finite"),
    ("ga_all_features", "tagsResult.values.1.confidence", "0.5", "tagsResult.values[1].confidence", 'got "0.5"'),
    ("ga_all_features", "tagsResult.values.1", None, "tagsResult.values[1]", "expected an object, got null"),
    ("ga_all_features", "tagsResult.values", MISSING, "tagsResult.values", "expected a list, got nothing"),
    ("ga_all_features", "tagsResult.values", {}, "tagsResult.values", "expected a list, got an object of 0"),
    ("ga_all_features", "tagsResult", [], "tagsResult", "expected an object, got a list of 0"),
    ("ga_all_features", "tagsResult.values.0.name", "\ud800", "tagsResult.values[0].name", "half a surrogate"),
    ("ga_all_features", "captionResult.text", "a\udfffb", "captionResult.text", "half a surrogate"),
    ("ga_all_features", "captionResult.text", 7, "captionResult.text", "expected a text, got 7"),
    ("ga_all_features", "metadata", MISSING, "metadata", "expected an object, got nothing"),
    ("ga_all_features", "metadata.width", 0, "metadata.width", "expected an integer from 1 to 2147483647, got 0"),
    ("ga_all_features", "metadata.height", 5.5, "metadata.height", "expected an integer, got 5.5"),
    ("ga_all_features", "metadata.height", 10**40, "metadata.height", "got a huge integer"),
    ("ga_all_features", "modelVersion", 7, "modelVersion", "expected a text, got 7"),
    ("ga_all_features", "objectsResult.values.0.boundingBox.w", 2**31, "objectsResult.values[0].boundingBox.w", "from"),
    ("ga_all_features", "objectsResult.values.0.boundingBox.w", True, "objectsResult.values[0].boundingBox.w", "true"),
    ("ga_all_features", "objectsResult.values.0.boundingBox", [], "objectsResult.values[0].boundingBox", "an object"),
    ("ga_all_features", "objectsResult.values.0.tags", MISSING, "objectsResult.values[0].tags", "a list, got nothing"),
    ("ga_all_features", "objectsResult.values.0.tags.0.name", 1, "objectsResult.values[0].tags[0].name", "a text"),
    ("ga_all_features", "objectsResult.values.0.id", 5, "objectsResult.values[0].id", "expected a text, got 5"),
    ("ga_all_features", "readResult.blocks.0.lines", MISSING, "readResult.blocks[0].lines", "a list, got nothing"),
    (
        "ga_all_features",
        "readResult.blocks.0.lines.0.boundingPolygon",
        [{"x": 1, "y": 1}],
        "readResult.blocks[0].lines[0].boundingPolygon",
        "expected a list of 4, got a list of 1",
    ),
    (
        "ga_all_features",
        "readResult.blocks.0.lines.0.words.1.boundingPolygon.2.y",
        1.5,
        "readResult.blocks[0].lines[0].words[1].boundingPolygon[2].y",
        "expected an integer, got 1.5",
    ),
    ("preview_text", "readResult.pages", MISSING, "readResult.pages", "expected a list, got nothing"),
    (
        "preview_text",
        "readResult.pages.0.words.3.boundingBox.7",
        "1",
        "readResult.pages[0].words[3].boundingBox[7]",
        'expected a finite number, got "1"',
    ),
    (
        "preview_text",
        "readResult.pages.0.words.3.boundingBox",
        [1, 2, 3],
        "readResult.pages[0].words[3].boundingBox",
        "expected a list of 8, got a list of 3",
    ),
    ("preview_text", "readResult.pages.0.words.2.span", MISSING, "readResult.pages[0].words[2].span", "got nothing"),
    (
        "preview_text",
        "readResult.pages.0.lines.1.spans.0.offset",
        -(2**31) - 1,
        "readResult.pages[0].lines[1].spans[0].offset",
        "expected an integer from",
    ),
    ("preview_text", "readResult.styles.0.isHandwritten", 1, "readResult.styles[0].isHandwritten", "true or false"),
    (
        "custom_sections",
        "customModelResult.tagsResult.values.0.name",
        None,
        "customModelResult.tagsResult.values[0].name",
        "got null",
    ),
    (
        "custom_lists",
        "customModelResult.classifications.1.label",
        MISSING,
        "customModelResult.classifications[1].label",
        "got nothing",
    ),
]


@pytest.mark.parametrize(("answer", "place", "value", "path", "message"), CASES, ids=lambda value: str(value)[:60])
def test_a_fault_rejects_its_answer_and_no_other(
    answer: str,
    place: str,
    value: Any,
    path: str,
    message: str,
    contract_bodies: dict[str, str],
    responses: Callable[..., pa.Table],
) -> None:
    good = contract_bodies["ga_all_features"]
    flattened = flatten(responses(good, changed(json.loads(contract_bodies[answer]), place, value), good))

    (rejection,) = flattened.rejected
    assert (rejection.row, rejection.path) == (1, path)
    assert message in rejection.message
    assert flattened.tables["images"]["image_id"].to_pylist() == [f"{0:032x}", f"{2:032x}"]
    for table in flattened.tables.values():
        assert f"{1:032x}" not in table["image_id"].to_pylist()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "7",
        "{",
        '\ufeff\ufeff{"metadata":{"width":1,"height":1}}',
        '{"metadata":{"width":1,"height":1},"modelVersion":"v","x":NaN}',
        '{"metadata":{"width":1,"height":1},"modelVersion":"v","x":-Infinity}',
        '{"metadata":{"width":1,"height":1},"modelVersion":"v","x":' + "9" * 5000 + "}",
        "[" * 200_000,
        '{"a":' * 200_000 + "1" + "}" * 200_000,
    ],
    ids=lambda body: repr(body[:40]) + str(len(body)),
)
def test_what_is_no_json_object_is_rejected_at_its_root(body: str, responses: Callable[..., pa.Table]) -> None:
    flattened = flatten(responses(body))

    (rejection,) = flattened.rejected
    assert rejection.path == "$"
    assert len(rejection.message) < 300
    assert all(table.num_rows == 0 for table in flattened.tables.values())


def held(flattened: Flattened) -> list[str]:
    (sections,) = flattened.tables["images"]["sections"].to_pylist()
    return sections


def envelope(**sections: Any) -> dict[str, Any]:
    return {"modelVersion": "2023-10-01", "metadata": {"width": 60, "height": 50}, **sections}


@pytest.mark.parametrize(
    ("sections", "holds"),
    [
        ({}, []),
        ({"tagsResult": None}, []),
        ({"tagsResult": {"values": []}}, ["tagsResult"]),
        ({"readResult": {}}, ["readResult"]),
        ({"readResult": {"blocks": []}}, ["readResult"]),
        ({"readResult": {"blocks": None}}, ["readResult"]),
        ({"customModelResult": {}}, ["customModelResult"]),
        ({"customModelResult": {"objectsResult": {"values": []}}}, ["customModelResult"]),
    ],
)
def test_absent_and_empty_sections_differ(
    sections: dict[str, Any], holds: list[str], responses: Callable[..., pa.Table]
) -> None:
    flattened = flatten(responses(envelope(**sections)))

    assert held(flattened) == holds
    assert flattened.rejected == []
    assert all(table.num_rows == 0 for name, table in flattened.tables.items() if name != "images")


def test_a_block_without_lines_is_a_page_without_text(responses: Callable[..., pa.Table]) -> None:
    flattened = flatten(responses(envelope(readResult={"blocks": [{"lines": []}]})))

    assert flattened.tables["read_pages"]["content"].to_pylist() == [""]
    assert flattened.tables["read_lines"].num_rows == 0


def test_unknown_sections_and_fields_are_counted_by_path_and_harmless(responses: Callable[..., pa.Table]) -> None:
    box = {"x": 1, "y": 2, "w": 3, "h": 4, "z": 5}
    point = {"x": 1, "y": 2, "z": 3}
    word = {"text": "a", "confidence": 1, "boundingPolygon": [point] * 4, "language": "en"}
    line = {"text": "a", "boundingPolygon": [point] * 4, "words": [word], "angle": 1}
    answer = envelope(
        adultResult={"adult": {"isMatch": False}},
        objectsResult={
            "values": [{"boundingBox": box, "tags": [{"name": "n", "confidence": 1, "hint": "\ud800"}]}] * 2
        },
        readResult={"blocks": [{"lines": [line], "kind": "x"}], "content": "a"},
    )

    flattened = flatten(responses(answer, answer))

    assert flattened.rejected == []
    assert flattened.unknown_fields == {
        "adultResult": 2,
        "objectsResult.values[].boundingBox.z": 4,
        "objectsResult.values[].tags[].hint": 4,
        "readResult.content": 2,
        "readResult.blocks[].kind": 2,
        "readResult.blocks[].lines[].angle": 2,
        "readResult.blocks[].lines[].boundingPolygon[].z": 8,
        "readResult.blocks[].lines[].words[].language": 2,
        "readResult.blocks[].lines[].words[].boundingPolygon[].z": 8,
    }


def test_unknown_fields_of_rejected_answers_are_not_counted(responses: Callable[..., pa.Table]) -> None:
    flattened = flatten(responses(envelope(new=1, tagsResult=1), envelope(new=1)))

    assert flattened.unknown_fields == {"new": 1}


def test_names_beyond_the_first_200_are_counted_together(responses: Callable[..., pa.Table]) -> None:
    flattened = flatten(responses(envelope(**{f"field{number}": 1 for number in range(500)})))

    assert len(flattened.unknown_fields) == 201
    assert sum(flattened.unknown_fields.values()) == 500


def test_both_custom_forms_in_one_answer_leave_none_unnoticed(responses: Callable[..., pa.Table]) -> None:
    both = {"tagsResult": {"values": [{"name": "a", "confidence": 1}]}, "classifications": [{"label": "b"}]}

    flattened = flatten(responses(envelope(customModelResult=both)))

    assert flattened.tables["custom_tags"]["name"].to_pylist() == ["a"]
    assert flattened.unknown_fields == {"customModelResult.classifications": 1}


def test_an_object_without_tags_keeps_its_row_and_further_tags_are_kept(responses: Callable[..., pa.Table]) -> None:
    box = {"x": 1, "y": 2, "w": 3, "h": 4}
    tags = [{"name": "cat", "confidence": 1}, {"name": "pet", "confidence": 0.5}]
    things = [{"boundingBox": box, "tags": []}, {"boundingBox": box, "tags": tags, "id": "7"}]

    table = flatten(responses(envelope(objectsResult={"values": things}))).tables["objects"]

    assert table["name"].to_pylist() == [None, "cat"]
    assert table["tags"].to_pylist() == [[], [{"name": "cat", "confidence": 1.0}, {"name": "pet", "confidence": 0.5}]]
    assert table["id"].to_pylist() == [None, "7"]


def test_a_word_outside_all_lines_has_no_line(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    answer = json.loads(contract_bodies["preview_text"])
    page = answer["readResult"]["pages"][0]
    page["words"][1]["span"] = {"offset": 7, "length": 1}
    page["words"][2]["span"] = {"offset": 6, "length": 4}
    # A line that holds another: the word belongs to the one whose span starts last among those that hold it.
    page["lines"].append({"content": "all", "boundingBox": [0] * 8, "spans": [{"offset": 8, "length": 2}]})

    flattened = flatten(responses(answer))

    assert flattened.tables["read_words"]["line_ordinal"].to_pylist() == [0, None, None, 1]


def test_fractions_in_preview_polygons_stay(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    answer = json.loads(contract_bodies["preview_text"])
    answer["readResult"]["pages"][0]["lines"][0]["boundingBox"] = [1.25, 2, 3, 4, 5, 6, 7, 0.1]

    polygon = flatten(responses(answer)).tables["read_lines"]["polygon"][0].as_py()

    assert polygon == [1.25, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.1]


def test_many_chunks_with_faults_in_each(responses: Callable[..., pa.Table]) -> None:
    answers = [envelope(tagsResult={"values": [{"name": str(image), "confidence": 1}]}) for image in range(100)]
    for image in range(0, 100, 7):
        answers[image]["tagsResult"]["values"].append({})

    flattened = flatten(responses(*answers))

    assert [rejection.row for rejection in flattened.rejected] == list(range(0, 100, 7))
    expected = [image for image in range(100) if image % 7]
    assert flattened.tables["tags"]["name"].to_pylist() == [str(image) for image in expected]
    assert flattened.tables["images"]["image_id"].to_pylist() == [f"{image:032x}" for image in expected]


def test_no_answers_at_all(responses: Callable[..., pa.Table]) -> None:
    flattened = flatten(responses())

    assert all(table.num_rows == 0 for table in flattened.tables.values())
