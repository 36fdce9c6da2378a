"""The programs of `examples/`, each run as its users run it, against the emulator, with a bad image among the good."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from image_analysis_beam.emulator import Emulator
from stand_ins.forked import run_forked

ROOT = Path(__file__).parents[2]
BIGQUERY_TYPES = {"STRING": str, "INT64": int, "FLOAT64": float, "BOOL": bool}


def run_example(name: str, *arguments: Any) -> str:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    done = run_forked(command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def shop(pictures: Callable[..., list[Path]], broken: Path, tmp_path: Path) -> Path:
    """Products: two with the same photo, one with another, one with a file that is no image, one without."""
    shared, other = pictures(2)
    database = tmp_path / "shop.db"
    photos = {"mug": shared, "cup": shared, "jar": other, "lid": broken, "new": None}
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE products (sku PRIMARY KEY, photo)")
        rows = [(sku, photo and str(photo)) for sku, photo in photos.items()]
        connection.executemany("INSERT INTO products VALUES (?, ?)", rows)
    return database


def photo_tags(database: Path) -> dict[str, tuple[str | None, str | None]]:
    with sqlite3.connect(database) as connection:
        return {sku: (tags, fault) for sku, tags, fault in connection.execute("SELECT * FROM photo_tags")}


def test_each_product_gets_the_tags_of_its_photo_or_the_fault(emulator, shop, monkeypatch):
    """Also where a run before could not ask: its rows are replaced."""
    with monkeypatch.context() as environment:
        environment.setenv("VISION_KEY", "wrong")
        run_example("own_source_and_sink.py", shop)
    assert photo_tags(shop)["mug"][1].startswith("not yet, unauthorized: ")

    emulator.reset()
    run_example("own_source_and_sink.py", shop)
    found = photo_tags(shop)
    assert found.keys() == {"mug", "cup", "jar", "lid", "new"}
    assert found["mug"] == found["cup"]
    assert found["mug"] != found["jar"]
    for sku in ("mug", "cup", "jar"):
        tags, fault = found[sku]
        assert fault is None
        assert all(0 < confidence < 1 for confidence in json.loads(tags).values())
    assert found["lid"][0] is found["new"][0] is None
    assert found["lid"][1].startswith("invalid_image: ")
    assert found["new"][1] == "invalid_uri: the URI is empty"
    assert emulator.stats()["calls"] == 2


@pytest.mark.parametrize(("model", "filled", "empty"), [("colours", "tags", "objects"), ("shapes", "objects", "tags")])
def test_a_custom_model_fills_its_tables(model, filled, empty, broken, tmp_path, monkeypatch):
    photos = [ROOT / "examples" / "photos" / name for name in ("chelsea.jpg", "coffee.jpg", "rocket.jpg")]
    uris, output = tmp_path / "uris.txt", tmp_path / "out"
    uris.write_text("".join(f"{path}\n" for path in [*photos, broken]))
    with Emulator(key="k", models={"colours": "classifier", "shapes": "detector"}) as emulator:
        monkeypatch.setenv("VISION_ENDPOINT", emulator.url)
        monkeypatch.setenv("VISION_KEY", "k")
        printed = run_example("custom_model.py", model, uris, output)

    def rows(table: str, columns: str) -> list[tuple]:
        return duckdb.sql(f"SELECT {columns} FROM read_parquet('{output}/{table}/run=*/*.parquet')").fetchall()

    assert rows(f"custom_{filled}", "count(DISTINCT image_id)") == [(3,)]
    assert rows(f"custom_{filled}", "bool_and(confidence BETWEEN 0 AND 1 AND name <> '')") == [(True,)]
    assert rows(f"custom_{empty}", "count(*)") == [(0,)]
    assert rows("dead_letters", "class, image_uri") == [("invalid_image", str(broken))]
    assert rows("deferred", "count(*)") == [(0,)]
    for table in ("custom_tags", "custom_objects", "dead_letters", "deferred"):
        assert f"{output}/{table}/run=" in printed


def columns_of(table: str) -> dict[str, tuple[str, bool]]:
    """Type, and whether it must be there, of each column of `deploy/bigquery/tables.sql`."""
    script = (ROOT / "deploy" / "bigquery" / "tables.sql").read_text()
    (body,) = re.findall(rf"CREATE TABLE IF NOT EXISTS `{table}` \(\n(.*?)\n\)", script, re.DOTALL)
    found = re.findall(r"^  `(\w+)` (\w+)( NOT NULL)? OPTIONS", body, re.MULTILINE)
    return {name: (kind, bool(required)) for name, kind, required in found}


def json_rows(output: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table, each checked against BigQuery's columns."""
    rows = [json.loads(line) for path in output.glob(f"{table}-*.jsonl") for line in path.read_text().splitlines()]
    columns = columns_of(table)
    for row in rows:
        assert row.keys() == columns.keys()
        for name, (kind, required) in columns.items():
            if row[name] is None:
                assert not required, name
            elif kind == "TIMESTAMP":
                assert datetime.fromisoformat(row[name]).utcoffset() is not None
            else:
                assert type(row[name]) is BIGQUERY_TYPES[kind], name
    return rows


def test_dead_letters_are_rows_of_the_bigquery_table(emulator, uris, broken, tmp_path):
    with uris.open("a") as listed:
        listed.write("http://127.0.0.1:9/nothing-there.jpg\n")
    output = tmp_path / "out"
    run_example("dead_letters_to_rows.py", uris, output)
    assert len({row["image_id"] for row in json_rows(output, "captions")}) == 12
    letters = {row["class"]: row for row in json_rows(output, "dead_letters")}
    assert letters.keys() == {"invalid_image", "rejected_image"}
    assert letters["invalid_image"]["image_uri"] == str(broken)
    assert letters["invalid_image"]["last_attempt_at"] is None
    assert letters["rejected_image"]["http_status"] == 400
    assert letters["rejected_image"]["last_attempt_at"] is not None
    assert json_rows(output, "deferred") == []


def test_deferred_images_are_rows_of_their_own(emulator, uris, tmp_path, monkeypatch):
    monkeypatch.setenv("VISION_KEY", "wrong")
    run_example("dead_letters_to_rows.py", uris, tmp_path / "out")
    deferred = json_rows(tmp_path / "out", "deferred")
    letters = json_rows(tmp_path / "out", "dead_letters")
    assert {row["reason"] for row in deferred} == {"unauthorized"}
    assert len(deferred) + len(letters) == 13
    assert json_rows(tmp_path / "out", "captions") == []
