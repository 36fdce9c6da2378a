"""Arrow's parser and Python's give the same tables: an answer with a field nobody knows is read by Python."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.answers import make_answer
from image_analysis_beam.schemas import flatten
from image_analysis_beam.schemas.fast import Declined, parse
from image_analysis_beam.schemas.flattening import EXPECTED

ODD = ["null", "1.0", "1e3", "-0", "-0.0", "0.1", "9007199254740992", "2147483648", "1e400", "NaN", '"\\ud83d\\ude00"']
ODD += ['"\\ud800"', '"}{"', '"}\\n{"', "[]", "{}", "true", '"2020-01-01"', "123456789012345678901", '"null"']


def unknown_to_all(body: str) -> str:
    return body.replace("{", '{"unheardOf":0,', 1)


def answer(seed: int) -> dict[str, Any]:
    return make_answer(random.Random(seed))


def same_by_both(responses: Callable[..., pa.Table], *bodies: str) -> None:
    fast = flatten(responses(*bodies))
    exact = flatten(responses(*map(unknown_to_all, bodies)))
    assert exact.unknown_fields["unheardOf"] == len(bodies) - len(exact.rejected)
    assert fast.rejected == exact.rejected
    for name, table in exact.tables.items():
        assert fast.tables[name].equals(table, check_metadata=True), name


def test_arrow_reads_plain_answers(contract_bodies: dict[str, str]) -> None:
    bodies = pa.array([contract_bodies["ga_all_features"], *map(json.dumps, map(answer, range(3)))])
    assert len(parse(bodies, EXPECTED)) == 4


@given(st.integers(0, 10**6), st.sets(st.sampled_from(sorted(answer(0).keys() - {"metadata", "modelVersion"}))))
@settings(max_examples=60, deadline=None)
def test_batches_with_some_sections(responses: Callable[..., pa.Table], seed: int, missing: set[str]) -> None:
    whole, part = answer(seed), answer(seed + 1)
    for name in missing:
        del part[name]
    same_by_both(responses, json.dumps(whole), json.dumps(part), json.dumps(part, indent=1))


@given(st.integers(0, 10**6), st.sampled_from(ODD))
@settings(max_examples=400, deadline=None)
def test_one_odd_value(responses: Callable[..., pa.Table], seed: int, odd: str) -> None:
    """A value somewhere in the text of the answer is another one: read, or refused, alike."""
    rng = random.Random(seed)
    spoiled = json.dumps(answer(seed % 20))
    values = [at for at in range(len(spoiled) - 1) if spoiled[at] == ":" and spoiled[at + 2] not in "[{"]
    start = rng.choice(values) + 2
    end = min(at for at in (spoiled.find(mark, start) for mark in ",}]") if at > 0)
    same_by_both(responses, spoiled[:start] + odd + spoiled[end:], json.dumps(answer(seed)))


@pytest.mark.parametrize(
    "bodies",
    [
        ('{"a":1}{"a":2}', " "),
        ('{"modelVersion":"}', '{"}'),
        ("null", "{}"),
        ("{}null", "{}"),
        ("\ufeff{}", "{}"),
        ("{}{}", ""),
        ("[]",),
        ('{"metadata":' + "[" * 100_000,),
        ('{"modelVersion":"2023","modelVersion":"2024"}',),
        ('{"metadata":{"width":1.0,"height":1},"modelVersion":"1"}',),
    ],
)
def test_what_is_not_plain_is_left_to_python(bodies: tuple[str, ...]) -> None:
    with pytest.raises(Declined):
        parse(pa.array(bodies), EXPECTED)
