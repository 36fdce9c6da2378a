"""Folders that earlier versions wrote: every command works on them, and what they hold is never paid again.

Only what a user sees is looked at: commands, tables, calls. The numbers are those of `make.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.schemas import TABLES

from .conftest import HOST

FEATURES = (
    *("--features", "caption,denseCaptions,tags,objects,people,smartCrops,read"),
    *("--smartcrops_aspect_ratios", "0.9,1.5", "--gender_neutral_caption"),
)
SPANISH = ("--features", "tags", "--language", "es")
CAPTIONED = ("--features", "tags,caption")
PREVIEW = ("--features", "caption,read", "--api_version", "2023-02-01-preview")
JOURNALLED = 4 + 5  # answers of the two killed runs, that no committed run holds


@pytest.fixture
def command(golden: Path, out: Path, run: Callable[..., Any], emulator: Any, web: None) -> Callable[..., Any]:
    """`command(lists, request)`: a run, or another command, with the golden lists of these names."""

    def on_lists(lists: str, request: tuple[str, ...], *flags: str, **settings: Any) -> Any:
        inputs = [flag for name in lists.split() for flag in ("--input", golden / "lists" / f"{name}.txt")]
        return run(*inputs, *request, *flags, features=None, **settings)

    return on_lists


def plan(command: Callable[..., Any], lists: str, request: tuple[str, ...], *flags: str) -> dict[str, Any]:
    told = json.loads(command(lists, request, "--json", *flags, command="plan").out)
    return {name: told[name] for name in ("input", "why", "skipped", "duplicates", "recovered")}


def called(emulator: Any) -> dict[str, int]:
    """How often each picture was sent since the last time, by its name."""
    calls = emulator.stats(images=True)["images"]
    emulator.reset()
    return {url.removeprefix(f"http://{HOST}/").removesuffix(".png"): number for url, number in sorted(calls.items())}


def named(name: str, *numbers: int) -> dict[str, int]:
    return {f"{name}-{number}": 1 for number in numbers}


def accounts(finished: Any) -> dict[str, int]:
    """Where the images of a run went, without what is zero; they add up."""
    all_of_them = dict(finished.manifest["conservation"])
    places = sum(all_of_them[name] for name in ("analyzed", "dead_letters", "deferred", "skipped", "duplicates"))
    assert all_of_them["input"] + all_of_them["recovered_extra"] == places
    return {name: number for name, number in all_of_them.items() if number}


def test_dead_letters_and_duplicates_are_known(command, emulator):
    planned = {
        "input": 17,
        "why": {"redriven": 2},
        "skipped": {"answered": 7, "known_bad": 4},
        "duplicates": 4,
        "recovered": 0,
    }
    assert plan(command, "features", FEATURES) == planned
    assert plan(command, "features", FEATURES, "--redrive", "changed") == planned, "nothing tells what was answered"
    finished = command("features", FEATURES)
    assert finished.code == 0
    assert called(emulator) == {"poison": 1}
    assert finished.manifest["dead_letters"] == {"unreadable_image": 1}
    assert accounts(finished) == {
        "input": 17,
        "recovered_extra": JOURNALLED,
        "analyzed": 1 + JOURNALLED,
        "dead_letters": 1,
        "skipped": 11,
        "duplicates": 4,
    }
    assert finished.rows("responses", "redrive_count", f"image_uri = 'http://{HOST}/poison.png'") == [(1,)]
    again = command("features", FEATURES, "--redrive", "failed", "--max_redrives", "1")
    assert called(emulator) == {"gone": 1, "malformed": 1}
    assert again.manifest["skipped"] == {"answered": 8}


def test_what_was_deferred_is_called_and_what_was_journalled_is_taken_over(command, emulator, golden, out):
    lists = "deferred published killed"
    assert plan(command, lists, CAPTIONED) == {
        "input": 6 + 4 + 8,
        "why": {"deferred_before": 4, "new": 3},
        "skipped": {"answered": 2},
        "duplicates": 0,
        "recovered": JOURNALLED,
    }
    finished = command(lists, CAPTIONED)
    assert finished.code == 0
    calls = called(emulator)
    assert calls == {**named("unanswered", 1, 2, 3), **{name: 1 for name in calls if name.startswith("later-")}}
    assert len(calls) == 7
    assert accounts(finished) == {"input": 18, "analyzed": 16, "skipped": 2}
    again = command(lists, CAPTIONED)
    assert called(emulator) == {}
    assert accounts(again) == {"input": 18, "skipped": 18}
    listed = [uri for name in lists.split() for uri in (golden / "lists" / f"{name}.txt").read_text().split()]
    captioned = [uri for (uri,) in rows_of(committed_files(out, "captions"), "image_uri")]
    assert sorted(set(listed).intersection(captioned)) == sorted(listed)
    assert len(captioned) == len(set(captioned))


@pytest.mark.parametrize(
    "asked",
    [("--model_name", "products"), ("--model_name", "shelves"), PREVIEW],
    ids=["classifier", "detector", "preview"],
)
def test_custom_models_and_previews_are_answered(command, emulator, asked):
    finished = command("custom", asked)
    assert finished.code == 0
    assert called(emulator) == {}
    assert finished.manifest["skipped"] == {"answered": 3}


def test_another_language_is_another_request(command, emulator):
    planned = plan(command, "deferred", SPANISH)
    assert (planned["why"], planned["skipped"]) == ({"deferred_before": 3}, {"answered": 3})
    assert command("deferred", SPANISH).manifest["conservation"]["skipped"] == 3
    assert len(called(emulator)) == 3


def test_a_part_of_what_was_asked_and_a_part_that_was_not(command, emulator):
    assert plan(command, "features", ("--features", "tags,read"))["skipped"] == {"answered": 7, "known_bad": 4}
    asked = ("--features", "tags,smartCrops", "--smartcrops_aspect_ratios", "1.2")
    finished = command("features", asked, "--redrive", "none")
    assert finished.manifest["skipped"]["known_bad"] == 6
    mine = f"run_id = '{finished.manifest['run_id']}' AND len(features) = 1"
    assert finished.rows("responses", "DISTINCT features", mine) == [(["smartCrops"],)]


def test_a_run_that_asks_something_else_keeps_the_journalled_answers(command, emulator):
    finished = command("custom", ("--features", "people"))
    assert called(emulator) == named("product", 1, 2, 3)
    assert accounts(finished) == {"input": 3, "recovered_extra": JOURNALLED, "analyzed": 3 + JOURNALLED}
    command("killed published", CAPTIONED)
    assert called(emulator) == named("unanswered", 1, 2, 3)


def test_show_and_report_read_the_folder(out, capsys):
    assert main(["show", str(out)]) == 0
    assert "deferred" in capsys.readouterr().out
    assert main(["report", str(out)]) == 0
    assert "unauthorized" in (out / "report.html").read_text()


def committed_files(out: Path, table: str) -> Iterator[Path]:
    manifests = [json.loads(path.read_text()) for path in (out / "runs").glob("*.json")]
    return (out / file for manifest in manifests for file in manifest.get("tables", {}).get(table, {}).get("files", ()))


def rows_of(files: Iterator[Path], columns: str) -> list[tuple[Any, ...]]:
    paths = list(map(str, files))
    query = f"SELECT {columns} FROM read_parquet(?, hive_partitioning=false, union_by_name=true)"
    return sorted(duckdb.execute(query, [paths]).fetchall(), key=repr)


def test_the_section_tables_are_rebuilt_row_by_row(out, run, tmp_path):
    fresh = tmp_path / "fresh"
    assert run("--stored", out, "--output", fresh, command="reflatten", features=None).code == 0
    filled = set()
    for table in [name for name, spec in TABLES.items() if spec.kind == "section" and (out / name).exists()]:
        every = f"read_parquet('{out}/{table}/*/*.parquet', union_by_name=true)"
        described = duckdb.execute(f"DESCRIBE SELECT * FROM {every}")
        columns = ", ".join(f'"{name}"' for name, *_ in described.fetchall() if name not in ("run_id", "run"))
        before = rows_of(committed_files(out, table), columns)
        assert rows_of(committed_files(fresh, table), columns) == before, table
        filled |= {table} if before else set()
    assert len(filled) == 12  # all but `read_styles`, of which the emulator has none
    answers = "image_id, image_uri, body, analyzed_at::VARCHAR"
    assert rows_of(committed_files(fresh, "responses"), answers) == rows_of(committed_files(out, "responses"), answers)


def test_old_and_new_partitions_are_one_table(command, out):
    assert command("published killed", CAPTIONED).code == 0
    for table in ("images", "tags", "responses", "dead_letters"):
        files = committed_files(out, table)
        assert {run_id for (run_id,) in rows_of(files, "run_id")} <= {path.stem for path in out.glob("runs/*.json")}
        everything = f"SELECT count(*) FROM read_parquet('{out}/{table}/run=*/*.parquet', union_by_name=true)"
        assert duckdb.sql(everything).fetchall() == [(len(rows_of(committed_files(out, table), "run_id")),)], table
