"""Outcomes become rows of their table, and what is not of the table is named instead of stored as something else."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from image_analysis_beam.schemas import TABLES
from image_analysis_beam.schemas.outcomes import Analyzed, DeadLetter, Deferred, InputReference

RECORDS = {"responses": Analyzed, "dead_letters": DeadLetter, "deferred": Deferred, "inputs": InputReference}
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
DEAD = DeadLetter(
    image_id="a" * 32,
    image_uri="/photos/caf\udce9.jpg",
    fault_class="invalid_uri",
    http_status=None,
    code=None,
    inner_code=None,
    message="no such file: caf\udce9.jpg",
    retryable=False,
    maybe_billed=False,
    attempts=0,
    first_attempt_at=None,
    last_attempt_at=AT,
    request_id=None,
    region=None,
    billed_units=None,
    fingerprint="v1-0123456789abcdef",
    redrive_count=0,
    body=None,
    run_id="20260102T030405Z-ab12",
)


@pytest.mark.parametrize("table", RECORDS)
def test_the_fields_of_an_outcome_are_the_columns_of_its_table(table: str) -> None:
    fields = ["class" if name == "fault_class" else name for name in RECORDS[table]._fields]

    assert fields == TABLES[table].schema.names
    assert TABLES[table].to_table([]).schema.equals(TABLES[table].schema, check_metadata=True)


def test_an_answer_is_stored_as_it_is(analyzed: Callable[..., Analyzed]) -> None:
    outcome = analyzed('{"a": "\\ud800 \\u00e9 é"}', features=(), model_name="m", billed_units=None)

    (row,) = TABLES["responses"].to_table([outcome]).to_pylist()

    assert row == {**outcome._asdict(), "features": []}
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_a_name_that_is_not_utf8_is_written_with_its_bytes_spelled_out() -> None:
    (row,) = TABLES["dead_letters"].to_table([DEAD]).to_pylist()

    assert row["image_uri"] == r"/photos/caf\udce9.jpg"
    assert row["message"] == r"no such file: caf\udce9.jpg"
    assert (row["class"], row["last_attempt_at"], row["body"]) == ("invalid_uri", AT, None)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("attempts", 1.5, TypeError),
        ("attempts", True, TypeError),
        ("attempts", "1", TypeError),
        ("attempts", 2**31, TypeError),
        ("attempts", None, ValueError),
        ("http_status", 404.0, TypeError),
        ("message", None, ValueError),
        ("message", 7, TypeError),
        ("retryable", "no", TypeError),
        ("last_attempt_at", "2026", TypeError),
    ],
)
def test_what_is_not_of_the_column_is_an_error_that_names_it(field: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"dead_letters.{field}"):
        TABLES["dead_letters"].to_table([DEAD, DEAD._replace(**{field: value})])


def test_rows_of_another_version_lack_nothing_and_have_nothing_more(analyzed: Callable[..., Analyzed]) -> None:
    table = TABLES["responses"]
    rows = table.to_table([analyzed("{}", first_attempt_at=AT), analyzed("[]")])
    older, newer = rows.drop_columns(["first_attempt_at"]), rows.append_column("unheard_of", [[1, 2]])

    assert table.conform(newer).equals(rows, check_metadata=True)
    assert table.conform(older)["first_attempt_at"].to_pylist() == [None, None]
    assert table.conform(older).drop_columns(["first_attempt_at"]).equals(older)
    assert table.conform(older).schema.equals(table.schema, check_metadata=True)
