"""Every SQL block of docs/queries.md, run by DuckDB over an output folder, and what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.schemas import PARQUET_WRITE_OPTIONS, TABLES, flatten
from image_analysis_beam.schemas.outcomes import Analyzed, DeadLetter

DOCUMENT = Path(__file__).parents[2] / "docs" / "queries.md"
FIRST, SECOND, CRASHED = "20260102T030405Z-ab12", "20260103T030405Z-ab12", "20260104T030405Z-ab12"

EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "Images without people": [("https://photos.example/2.jpg",)],
    "Text search": [("https://photos.example/1.jpg", "Town Hall", 546.0, 180.0)],
    "Text search 2": [
        ("https://photos.example/0.jpg", "123 456", ["123", "456"]),
        ("https://photos.example/1.jpg", "9:35 AM", ["9:35", "AM"]),
        ("https://photos.example/1.jpg", "Town Hall", ["Town", "Hall"]),
    ],
    "Top tags": [("furniture", 1, 0.987), ("using", 1, 0.536)],
    "Objects over a confidence": [("https://photos.example/0.jpg", "chair", 0.618, 0.068)],
    "Crops for a ratio": [("https://photos.example/0.jpg", 238, 0, 511, 568)],
    "Open dead letters": [("https://photos.example/9.jpg", "rejected_image", "InvalidRequest", "too small", False)],
    "Cost by day": [(date(2026, 1, 2), 5, 5, 3, 0.01), (date(2026, 1, 3), 1, 1, 1, 0.0)],
    "Images answered by several runs": [("https://photos.example/0.jpg", "v1-0123456789abcdef", 2, [FIRST, SECOND])],
}


def blocks() -> dict[str, str]:
    """The SQL blocks by the heading they are under; the second one of a heading has a 2 behind."""
    found: dict[str, str] = {}
    for heading, text in re.findall(
        r"^# Queries|^## (.+)\n((?:.|\n)*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE
    ):
        for number, sql in enumerate(re.findall(r"```sql\n(.*?)```", text, re.DOTALL), 1):
            found[heading if number == 1 else f"{heading} {number}"] = sql
    return found


def views() -> str:
    found = re.search(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, contract_bodies: dict[str, str], analyzed: Callable[..., Analyzed]
) -> Path:
    """A folder with two committed runs and one that crashed."""
    nobody = '{"modelVersion":"v","metadata":{"width":60,"height":50},"peopleResult":{"values":[]}}'
    folder = tmp_path_factory.mktemp("queries")
    first = [
        analyzed(contract_bodies["ga_all_features"], 0),
        analyzed(contract_bodies["preview_text"], 1),
        analyzed(nobody, 2),
    ]
    later = datetime(2026, 1, 3, tzinfo=timezone.utc)
    again = analyzed(contract_bodies["ga_all_features"], 0, run_id=SECOND, analyzed_at=later)
    dead = [dead_letter(0), dead_letter(9)]
    write_run(folder / "out", FIRST, first, dead)
    write_run(folder / "out", SECOND, [again], [])
    write_run(folder / "out", CRASHED, [again._replace(run_id=CRASHED)], [dead_letter(8, run_id=CRASHED)])
    (folder / "out" / "runs").mkdir()
    for run in (FIRST, SECOND):
        (folder / "out" / "runs" / f"{run}.json").write_text("{}")
    return folder


def dead_letter(image: int, run_id: str = FIRST) -> DeadLetter:
    at = datetime(2026, 1, 2, 23, 59, tzinfo=timezone.utc)
    return DeadLetter(
        image_id=f"{image:032x}",
        image_uri=f"https://photos.example/{image}.jpg",
        fault_class="rejected_image",
        http_status=400,
        code="InvalidRequest",
        inner_code=None,
        message="too small",
        retryable=False,
        maybe_billed=False,
        attempts=1,
        first_attempt_at=at,
        last_attempt_at=at,
        request_id=None,
        region=None,
        billed_units=1,
        fingerprint="v1-0123456789abcdef",
        redrive_count=0,
        body=None,
        run_id=run_id,
    )


def write_run(output: Path, run_id: str, answers: list[Analyzed], dead: list[DeadLetter]) -> None:
    responses = TABLES["responses"].to_table(answers)
    flattened = flatten(responses)
    tables: dict[str, pa.Table] = {
        **flattened.tables,
        "responses": responses,
        "dead_letters": TABLES["dead_letters"].to_table(dead),
    }
    for name, table in tables.items():
        partition = output / name / f"run={run_id}"
        partition.mkdir(parents=True)
        pq.write_table(table, partition / f"{name}-00000-of-00001.parquet", **PARQUET_WRITE_OPTIONS)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_documented_query_finds_what_it_says(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with duckdb.connect() as connection:
        connection.execute(views())
        assert connection.execute(blocks()[name]).fetchall() == EXPECTED[name]


def test_every_documented_query_is_tested() -> None:
    assert blocks().keys() == EXPECTED.keys()
