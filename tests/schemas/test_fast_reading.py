"""Arrow's parser reads what Python's reads, and the same: what it might read otherwise is left to Python."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.answers import make_answer
from image_analysis_beam.schemas.fast import Declined
from image_analysis_beam.schemas.flattening import flatten_exactly, flatten_fast
from tests.schemas import fuzz

PLAIN = '{"metadata":{"width":1,"height":1},"modelVersion":"1"}'
CAPTION = '{"metadata":{"width":1,"height":1},"modelVersion":"1","captionResult":{"text":"a","confidence":%s}}'


def answer(seed: int) -> dict[str, Any]:
    return make_answer(random.Random(seed))


def test_arrow_reads_plain_answers(contract_bodies: dict[str, str]) -> None:
    bodies = [contract_bodies["ga_all_features"], *map(json.dumps, map(answer, range(3)))]

    assert fuzz.disagreement(bodies) is None


@given(st.integers(0, 10**6), st.sets(st.sampled_from(sorted(answer(0).keys() - {"metadata", "modelVersion"}))))
@settings(max_examples=60)
def test_batches_with_some_sections(seed: int, missing: set[str]) -> None:
    whole, part = answer(seed), answer(seed + 1)
    for name in missing:
        del part[name]

    assert fuzz.disagreement([json.dumps(whole), json.dumps(part), json.dumps(part, indent=1)]) is None


@pytest.mark.parametrize(
    "section",
    [
        {"captionResult": {"text": "null", "confidence": 1}},
        {"captionResult": None, "tagsResult": None, "readResult": None, "customModelResult": None},
        {"readResult": {"blocks": None}},
        {"customModelResult": {"tagsResult": None}},
        {"objectsResult": {"values": [{"boundingBox": dict.fromkeys("xywh", 1), "tags": [], "id": None}]}},
    ],
    ids=str,
)
def test_null_where_it_means_nothing_and_the_text_null_are_plain(section: dict[str, Any]) -> None:
    assert fuzz.disagreement([json.dumps(json.loads(PLAIN) | section), PLAIN]) is None


@given(st.integers(0, 2**48))
@settings(max_examples=1500, derandomize=True)
def test_what_arrow_reads_of_changed_answers_python_reads_too(seed: int) -> None:
    assert not fuzz.disagreement(fuzz.batch(random.Random(seed)))


@pytest.mark.parametrize(
    "bodies",
    [
        ('{"a":1}{"a":2}', " "),
        ('{"modelVersion":"}', '{"}'),
        ("null", "{}"),
        ("{}null", "{}"),
        ("\ufeff{}", "{}"),
        (f"{PLAIN}{PLAIN}", ""),
        ("[]",),
        ('{"metadata":' + "[" * 100_000,),
        ('{"modelVersion":"2023","modelVersion":"2024"}',),
        ('{"metadata":{"width":1.0,"height":1},"modelVersion":"1"}',),
        *((f"{space}{PLAIN}",) for space in "\v\f\0\x1c\x1f\x85\xa0"),
        *((f"{PLAIN}{space}",) for space in "\v\f\0\x1c\x1f\x85\xa0"),
        *((CAPTION % number,) for number in ("null", "NaN", "-Infinity", "1e400", "-0", "-0.0", str(2**53))),
        *((CAPTION % f'1,"confidence":{number}',) for number in ("null", "1")),
        (CAPTION.replace('"a"', '"\\ud800"') % 1,),
    ],
    ids=lambda bodies: repr(bodies)[:60],
)
def test_what_is_not_plain_is_left_to_python(bodies: tuple[str, ...]) -> None:
    column = pa.array(bodies)

    with pytest.raises(Declined):
        flatten_fast(column)
    flatten_exactly(column)


@pytest.mark.parametrize(("spelled", "bits"), [("-0", "0.0"), ("-0.0", "-0.0"), ("0", "0.0"), ("1e-400", "0.0")])
def test_a_zero_has_the_sign_that_python_gives_it(spelled: str, bits: str) -> None:
    read = flatten_exactly(pa.array([CAPTION % spelled])).tables["captions"]["confidence"]

    assert repr(read[0].as_py()) == bits


def test_the_fuzzer_prints_its_seed_and_what_it_did() -> None:
    command = [sys.executable, fuzz.__file__, "--seconds", "0.2", "--seed", "7"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert printed.startswith("seed 7\n")
    assert printed.endswith("0 disagreements\n")
