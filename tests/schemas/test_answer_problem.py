"""What comes back with status 200 is an answer, or why it is none: what a later version could read is kept."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from image_analysis_beam.schemas import answer_problem, flatten

GOOD = b'{"modelVersion":"v","metadata":{"width":60,"height":50},"captionResult":{"text":"\xc3\xa9","confidence":1}}'


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        b"\xef\xbb\xbf" + GOOD,
        b" \r\n" + GOOD,
        GOOD.replace(b"60", b"60.0"),
        GOOD.replace(b"\xc3\xa9", b"\\ud800"),
        GOOD.replace(b'"confidence":1', b'"confidence":NaN'),
        b'{"metadata":{}}',
        b'{"metadata":{"width":"60","height":50.5}}',
    ],
)
def test_an_answer_of_the_service_is_kept_for_the_tables_to_judge(
    body: bytes, responses: Callable[..., pa.Table]
) -> None:
    assert answer_problem(body) is None
    flatten(responses(body.decode()))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (GOOD[:-1], "not JSON"),
        (GOOD + b"}", "not JSON"),
        (b"\xff" + GOOD, "not JSON"),
        (GOOD.decode().encode("utf-16"), "not JSON"),
        (b'{"metadata":' + b"[" * 200_000, "not JSON"),
        (b"[]", "no metadata"),
        (b"7", "no metadata"),
        (b'{"error":{"code":"1"}}', "no metadata"),
        (b'{"metadata":null}', "no metadata"),
        (b'{"metadata":[]}', "no metadata"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_none_says_why(body: bytes, problem: str, responses: Callable[..., pa.Table]) -> None:
    found = answer_problem(body)

    assert found is not None
    assert problem in found
    assert len(found) < 300
    assert flatten(responses(body.decode("utf-8", "replace"))).rejected
