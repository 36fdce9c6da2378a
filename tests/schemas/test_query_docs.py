"""Every SQL block of docs/queries.md, run over the views of an output folder, and what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.pipeline.views.database import Folder, opened
from image_analysis_beam.schemas import PARQUET_WRITE_OPTIONS, TABLES, flatten
from image_analysis_beam.schemas.outcomes import Analyzed, DeadLetter, InputReference
from image_analysis_beam.transforms.account_run import make_manifest
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.records import commit
from image_analysis_beam.transforms.write_tables import WrittenFile

DOCUMENT = Path(__file__).parents[2] / "docs" / "queries.md"
FIRST, SECOND, CRASHED = "20260102T030405Z-ab12", "20260103T030405Z-ab12", "20260104T030405Z-ab12"

FINGERPRINT = "v1-0123456789abcdef"
TOO_SMALL = ("too small", "see the message of the service for this image")
NO_URI = ("the URI is empty", "correct the URI in the list")
EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "A list with its outcomes and tags": [
        ("a", 2, "answered", None, "https://photos.example/0.jpg", None, None, False, None),
        ("b", 3, "answered", None, "https://photos.example/1.jpg", None, None, False, None),
        ("a2", 4, "answered", None, "https://photos.example/0.jpg#2", None, None, True, None),
        ("c", 5, "dead_letter", "rejected_image", "https://photos.example/9.jpg", *TOO_SMALL, False, None),
        ("d", 6, "dead_letter", "invalid_uri", "", *NO_URI, False, None),
    ],
    "A list with its outcomes and tags 2": [
        ("catalog.csv", "answered", False, 2),
        ("catalog.csv", "answered", True, 1),
        ("catalog.csv", "dead_letter", False, 2),
    ],
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
    "What failed": [
        ("dead_letter", "invalid_uri", 1, NO_URI[1], "not called again; call it with --redrive invalid_uri"),
        ("dead_letter", "rejected_image", 1, TOO_SMALL[1], "not called again; call it with --redrive rejected_image"),
    ],
    "What failed 2": [
        ("rejected_image", "catalog.csv", 5, "https://photos.example/9.jpg", "too small"),
        ("invalid_uri", "catalog.csv", 6, "", NO_URI[0]),
    ],
    "Cost by day": [
        (date(2026, 1, 2), 6, Decimal("0.01"), "USD"),
        (date(2026, 1, 3), 2000, Decimal("2.50"), "USD"),
    ],
    "Images answered by several runs": [("https://photos.example/0.jpg", FINGERPRINT, 2, [FIRST, SECOND])],
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


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, contract_bodies: dict[str, str], analyzed: Callable[..., Analyzed]
) -> Path:
    """A folder with two committed runs and one that crashed, beside the list that they read."""
    nobody = '{"modelVersion":"v","metadata":{"width":60,"height":50},"peopleResult":{"values":[]}}'
    folder = tmp_path_factory.mktemp("queries")
    features = ("tags", "read", "people", "objects", "smartCrops")
    first = [
        analyzed(contract_bodies["ga_all_features"], 0, features=features),
        analyzed(contract_bodies["preview_text"], 1, features=features),
        analyzed(nobody, 2, features=features),
    ]
    later = datetime(2026, 1, 3, tzinfo=timezone.utc)
    again = first[0]._replace(run_id=SECOND, analyzed_at=later)
    lines = [line(2, 0), line(3, 1), line(4, 0, "#2"), line(5, 9), line(6, None)]
    mistake = dead_letter(10)._replace(fault_class="invalid_uri", message=NO_URI[0], attempts=0, billed_units=None)
    dead = [dead_letter(0), dead_letter(9), mistake]
    read = {f"lists.0.{FIRST}.catalog.csv": 5}
    (folder / "catalog.csv").write_text("sku,uri\n" + "".join(f"{sku},…\n" for sku in ("a", "b", "a2", "c", "d")))
    write_run(folder / "out", FIRST, first, dead, lines, read | {"billed.2026-01-02.tags": 6})
    cost = {"billed.2026-01-03.tags": 1000, "billed.2026-01-03.read": 1000}
    write_run(folder / "out", SECOND, [again], [], [], read | cost)
    write_run(folder / "out", CRASHED, [again._replace(run_id=CRASHED)], [dead_letter(8, run_id=CRASHED)], [], None)
    return folder


def line(position: int, image: int | None, more: str = "") -> InputReference:
    if image is None:
        return InputReference("catalog.csv", position, None, None, None, "", NO_URI[0], f"{10:032x}", None, FIRST)
    uri = f"https://photos.example/{image}.jpg{more}"
    return InputReference("catalog.csv", position, uri, f"{image:032x}", None, None, None, None, None, FIRST)


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


def write_run(
    output: Path,
    run_id: str,
    answers: list[Analyzed],
    dead: list[DeadLetter],
    lines: list[InputReference],
    counts: dict[str, int] | None,
) -> None:
    """Writes the tables of a run; with counts, its manifest too."""
    responses = TABLES["responses"].to_table(answers)
    flattened = flatten(responses)
    tables: dict[str, pa.Table] = {
        **flattened.tables,
        "responses": responses,
        "dead_letters": TABLES["dead_letters"].to_table(dead),
        "inputs": TABLES["inputs"].to_table(lines),
    }
    files = []
    for name, table in tables.items():
        path = output / name / f"run={run_id}" / f"{name}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path, **PARQUET_WRITE_OPTIONS)
        files.append(WrittenFile(name, str(path), table.num_rows))
    if counts is not None:
        accounts = {"input": 5, "dead_letters": len(dead), "skipped.answered": 5 - len(dead) - len(answers)}
        accounts |= {"recovered_extra": max(0, -accounts["skipped.answered"])}
        accounts["skipped.answered"] = max(0, accounts["skipped.answered"])
        facts = {"started_at": "2026-01-02T03:04:05+00:00", "request": {}, "fingerprint": FINGERPRINT}
        at = datetime(2026, 1, 3, tzinfo=timezone.utc)
        manifest = make_manifest(str(output), run_id, facts, files, accounts | counts, at)
        commit(Layout(str(output)), run_id, manifest)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_documented_query_finds_what_it_says(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    query = blocks()[name]
    with opened(Folder("out"), query) as connection:
        found = connection.execute(query).fetchall()
    if name == "A list with its outcomes and tags":
        tags = {sku: sorted(names or ()) for sku, *_, names in found}
        both = ["furniture", "using"]
        assert tags == {"a": both, "b": [], "a2": both, "c": [], "d": []}
        found = [(*row[:-1], None) for row in found]
    assert found == EXPECTED[name]


def test_every_documented_query_is_tested() -> None:
    assert blocks().keys() == EXPECTED.keys()
