"""Twenty thousand spoiled answers: each becomes rows, or a rejection with a path and no row at all."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from image_analysis_beam.schemas import TABLES, flatten

BATCH, BATCHES = 40, 500

WRONG = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    -(2**31) - 1,
    2**53 + 1,
    10**400,
    0.5,
    -0.0,
    1e308,
    5e-324,
    "",
    "12",
    "\ud800",
    "a\udc00b",
    "\U0001f600",
    "\x00",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"values": None},
    {"values": [{}]},
    [0, 1, 2, 3, 4, 5, 6, 7],
]


def wrong(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(WRONG))


def places(answer: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of the answer with each of its keys or positions."""
    items = answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list) else ()
    for key, value in items:
        yield answer, key
        yield from places(value)


def spoil(answer: Any, rng: random.Random) -> None:
    """Changes the answer at one place."""
    container, key = rng.choice(list(places(answer)))
    change = rng.randrange(6)
    if change == 0 and isinstance(container, dict):
        del container[key]
    elif change == 1 and isinstance(container, dict):
        container[rng.choice(["new", "values", "pages", "blocks", "\ud800", "objects"])] = wrong(rng)
    elif change == 2 and isinstance(container, list):
        container.insert(rng.randrange(len(container) + 1), rng.choice([copy.deepcopy(container[key]), wrong(rng)]))
    elif change == 3 and isinstance(container, list):
        del container[key]
    else:
        container[key] = wrong(rng)


def spoil_text(body: str, rng: random.Random) -> str:
    """Changes the answer's text: cut, a number that is none, a bracket too many, deep nesting."""
    cut = rng.randrange(len(body))
    change = rng.randrange(5)
    if change == 0:
        return body[:cut]
    if change == 1:
        return body[:cut] + rng.choice('{}[],:"\\\n0eE.-') + body[cut + 1 :]
    if change == 2:
        return body.replace("0.", rng.choice(["NaN", "1e999", "-Infinity", "1E400.", "00."]), 1)
    if change == 3:
        return body.replace("{", '{"deep":' + "[" * 5000 + "]" * 5000 + ",", 1)
    return body.replace(":", ": \t\r\n", 3)


def spoiled(contract_bodies: dict[str, str], rng: random.Random) -> str:
    body = rng.choice(list(contract_bodies.values()))
    if rng.random() < 0.1:
        return spoil_text(body, rng)
    answer = json.loads(body)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        spoil(answer, rng)
    return json.dumps(answer)


def expected_cells(body: str) -> dict[str, list[Any]]:
    """A few columns of an answer that was accepted, read the plain way."""
    answer = json.loads(body)

    def items(name: str) -> list[Any]:
        section = answer.get(name)
        return (section["values"] or []) if section else []

    read = answer.get("readResult") or {}
    ga = read.get("pages") is None
    lines = [line for block in read.get("blocks") or [] for line in block["lines"] or []] if ga else []
    pages = [] if ga else read["pages"]
    return {
        "tags.name": [tag["name"] for tag in items("tagsResult")],
        "tags.confidence": [tag["confidence"] for tag in items("tagsResult")],
        "people.w": [person["boundingBox"]["w"] for person in items("peopleResult")],
        "objects.tags": [(thing["tags"] or []) and thing["tags"][0]["name"] for thing in items("objectsResult")],
        "read_words.text": [word["text"] for line in lines for word in line["words"] or []]
        + [word["content"] for page in pages for word in page["words"] or []],
    }


def stored_cells(tables: dict[str, pa.Table], image_id: str) -> dict[str, list[Any]]:
    def cells(table: str, column: str) -> list[Any]:
        return tables[table].filter(pc.field("image_id") == image_id)[column].to_pylist()

    return {
        "tags.name": cells("tags", "name"),
        "tags.confidence": cells("tags", "confidence"),
        "people.w": cells("people", "w"),
        "objects.tags": [tags and tags[0]["name"] for tags in cells("objects", "tags")],
        "read_words.text": cells("read_words", "text"),
    }


def check(bodies: list[str], responses: Callable[..., pa.Table]) -> int:
    """Flattens them and checks that accepted and rejected ones are kept apart; how many were accepted."""
    flattened = flatten(responses(*bodies))
    rejected = {rejection.row for rejection in flattened.rejected}
    accepted = [f"{row:032x}" for row in range(len(bodies)) if row not in rejected]

    assert len(flattened.rejected) == len(rejected)
    assert flattened.tables["images"]["image_id"].to_pylist() == accepted
    for name, table in flattened.tables.items():
        table.validate(full=True)
        assert table.schema.equals(TABLES[name].schema, check_metadata=True)
        assert set(table["image_id"].to_pylist()) <= set(accepted)
        assert all(table[field.name].null_count == 0 for field in table.schema if not field.nullable)
    for image_id in accepted[:5]:
        assert stored_cells(flattened.tables, image_id) == expected_cells(bodies[int(image_id, 16)])
    for rejection in flattened.rejected:
        assert rejection.path
        assert rejection.message
        f"{rejection.path}: {rejection.message}".encode()
        assert len(rejection.path) + len(rejection.message) < 1000
    " ".join(flattened.unknown_fields).encode()
    return len(accepted)


@pytest.mark.parametrize("batches", [BATCHES // 5, pytest.param(BATCHES, marks=pytest.mark.long)])
def test_twenty_thousand_spoiled_answers(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table], batches: int
) -> None:
    rng = random.Random(20260102)
    accepted = sum(check([spoiled(contract_bodies, rng) for _ in range(BATCH)], responses) for _ in range(batches))

    # Both happen often, or the test would say nothing.
    assert 0.1 < accepted / (BATCH * batches) < 0.9


def test_an_answer_is_accepted_alone_if_and_only_if_it_is_in_company(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    rng = random.Random(7)
    bodies = [spoiled(contract_bodies, rng) for _ in range(200)]

    together = [
        (rejection.row, rejection.path, rejection.message) for rejection in flatten(responses(*bodies)).rejected
    ]
    alone = [
        (row, rejection.path, rejection.message)
        for row, body in enumerate(bodies)
        for rejection in flatten(responses(body)).rejected
    ]

    assert together == alone


@pytest.mark.parametrize("place", ["captionResult.text", "tagsResult.values.0.name", "new"])
def test_ten_megabytes_of_text(place: str, contract_bodies: dict[str, str], responses: Callable[..., pa.Table]) -> None:
    answer = json.loads(contract_bodies["ga_all_features"])
    *way, last = place.split(".")
    target = answer
    for step in way:
        target = target[int(step) if step.isdigit() else step]
    target[last] = "é" * 10_000_000

    assert check([contract_bodies["ga_all_features"], json.dumps(answer, ensure_ascii=False)], responses) == 2
    target[last] = "é" * 10_000_000 + "\ud800"
    assert check([contract_bodies["ga_all_features"], json.dumps(answer)], responses) == (2 if place == "new" else 1)
