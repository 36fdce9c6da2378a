"""Output folders that somebody has damaged: every command says which file it is and what to do, in one line."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.failures import CHECK, fix_of
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.transforms.ledger.liveness import this_process
from image_analysis_beam.transforms.ledger.start import start_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make_picture):
    """The output of a run."""
    folder = tmp_path_factory.mktemp("run")
    pictures = [str(make_picture(folder / f"{index}.png", index)) for index in range(3)]
    (folder / "uris.txt").write_text("\n".join([*pictures, str(folder / "none.png")]))
    with Emulator(key="k") as emulator, pytest.MonkeyPatch.context() as environment:
        environment.setenv("VISION_ENDPOINT", emulator.url)
        environment.setenv("VISION_KEY", "k")
        flags = ["--input", str(folder / "uris.txt"), "--output", str(folder / "out"), "--features", "tags", "--quiet"]
        assert main(["run", *flags]) == 0
    return folder / "out"


def manifest_of(output: Path) -> Path:
    return next((output / "runs").glob("*.json"))


def tags_of(output: Path) -> Path:
    return next(output.glob("tags/run=*/*.parquet"))


def changed(output: Path, **parts: object) -> None:
    path = manifest_of(output)
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))


def entered(output: Path, **parts: object) -> None:
    path = output / "runs" / "log" / "00000001.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoilt(path: Path) -> None:
    """Its length is right, and so are its first and last bytes; DuckDB does not say which file it is."""
    content = path.read_bytes()
    path.write_bytes(content[:-300] + b"\xff" * 292 + content[-8:])


def another(path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), path)


def spent(output: Path, day: str = "2026-01-01", price: object = 1.0) -> None:
    by_day = [{"day": day, "feature": "tags", "transactions": 1}]
    changed(output, cost={"currency": "USD", "per_thousand": {"tags": price}, "by_day": by_day})


COUNTED = ("report", "sql FROM cost")
BOTH, REPORT, READ = ("show", "report"), ("report",), ("report", "show tags")
DAMAGE = {
    "an empty manifest": (BOTH, lambda out: manifest_of(out).write_bytes(b""), "no committed run"),
    "a nested manifest": (BOTH, lambda out: manifest_of(out).write_text("[" * 100_000), "no whole JSON"),
    "a manifest that is a pipe": (BOTH, lambda out: a_pipe(manifest_of(out)), "a pipe"),
    "a manifest that is a folder": (BOTH, lambda out: a_folder(manifest_of(out)), "Is a directory"),
    "tables of another kind": (BOTH, lambda out: changed(out, tables={"tags": [1]}), "rows and files of 'tags'"),
    "tables without files": (BOTH, lambda out: changed(out, tables={"tags": {"rows": 1}}), "rows and files of 'tags'"),
    "lists of another kind": (REPORT, lambda out: changed(out, lists=[{"list": "a.txt"}]), "each of its 'lists'"),
    "an entry of another number": (BOTH, lambda out: entered(out, number=-1), "#a-damaged-folder"),
    "an entry without runs": (BOTH, lambda out: entered(out, committed=None), "no entry of the log"),
    "an entry of no text": (BOTH, lambda out: entered(out, reads=[5]), "no entry of the log"),
    "an owner of another kind": (BOTH, lambda out: entered(out, owner="me"), "no entry of the log"),
    "a day that is none": (COUNTED, lambda out: spent(out, day="yesterday"), "yesterday"),
    "a price that is none": (COUNTED, lambda out: spent(out, price="much"), "ConversionSyntax"),
    "half a table": (READ, lambda out: half(tags_of(out)), "arquet"),
    "a table of another content": (READ, lambda out: spoilt(tags_of(out)), "is no whole Parquet file"),
    "a table that is missing": (READ, lambda out: tags_of(out).unlink(), "No files found"),
    "a table that is a folder": (READ, lambda out: a_folder(tags_of(out)), "No files found"),
    "another table": (REPORT, lambda out: another(tags_of(out)), "is another table"),
    "a file for the runs": (BOTH, lambda out: (shutil.rmtree(out / "runs"), (out / "runs").touch()), "Not a directory"),
}


@pytest.mark.parametrize(
    ("command", "damage"), [(command, name) for name, (commands, *_) in DAMAGE.items() for command in commands]
)
def test_what_is_damaged_is_told_in_one_line(whole, tmp_path, capsys, command, damage):
    output = tmp_path / "damaged"
    shutil.copytree(whole, output)
    _, do, words = DAMAGE[damage]
    do(output)
    name, *view = command.split(maxsplit=1)
    assert main([name, str(output), *view]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert str(output) in said
    assert words in said


def test_duckdb_quotes_the_path_and_does_not_tell_it(whole, capsys):
    """Where it is short, it is in the statement that DuckDB prints below its message."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        output = Path(folder) / "out"
        shutil.copytree(whole, output)
        spoilt(tags_of(output))
        assert main(["show", str(output), "tags"]) == 2
        assert f"'{tags_of(output)}' is no whole Parquet file" in capsys.readouterr().err


def test_no_half_of_a_database_is_left(whole, tmp_path):
    output, database = tmp_path / "damaged", tmp_path / "out.duckdb"
    shutil.copytree(whole, output)
    tags_of(output).unlink()
    assert main(["sql", str(output), "--write", str(database)]) == 2
    assert not database.exists()


def test_a_manifest_may_say_nothing_of_times_and_cost(whole, tmp_path, capsys):
    output = tmp_path / "early"
    shutil.copytree(whole, output)
    changed(output, started_at="yesterday", committed_at="", cost={})
    assert main(["report", str(output)]) == 0
    assert main(["sql", str(output), "SELECT started_at, committed_at, amount FROM runs", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert row == {"started_at": None, "committed_at": None, "amount": None}


@pytest.mark.parametrize(
    "parts",
    [
        {"tables": [1]},
        {"tables": {"images": [1]}},
        {"tables": {"images": {"rows": 1, "files": [5]}}},
        {"lists": None},
        {"lists": ["a.txt"]},
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_manifest_that_does_not_say_what_is_there_is_planned_from_by_nobody(
    whole, emulator, tmp_path, capsys, command, parts
):
    output = tmp_path / "damaged"
    shutil.copytree(whole, output)
    changed(output, **parts)
    manifest = manifest_of(output)
    assert main([command, "--images", str(whole.parent), "--features", "tags", "--output", str(output)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"image-analysis-beam: manifest '{manifest}': it ")
    assert emulator.stats()["calls"] == 0


@pytest.mark.parametrize("do", [half, another, Path.unlink, a_folder, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("command", ["run", "plan", "reflatten"])
def test_who_reads_it_for_another_run_says_so_too(whole, emulator, tmp_path, capsys, command, do):
    output = tmp_path / "damaged"
    shutil.copytree(whole, output)
    path = next(output.glob(f"{'responses' if command == 'reflatten' else 'images'}/run=*/*.parquet"))
    do(path)
    flags = ["--images", str(whole.parent), "--features", "tags", "--output", str(output)]
    if command == "reflatten":
        flags = ["--stored", str(output), "--output", str(tmp_path / "again")]
    code = main([command, *flags])
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert str(path) in said
    assert "while running" not in said
    assert "restore it from a copy" in said
    assert ("reflatten --stored" in said) == (command != "reflatten")  # which has nothing else to read
    assert emulator.stats()["calls"] == 0


def run_into(output: Path, pictures: Path) -> int:
    return main(["run", "--images", str(pictures), "--features", "tags", "--output", str(output), "--quiet"])


@pytest.mark.parametrize("name", ["runs/*.json", "runs/log/*1.json"])
def test_a_folder_in_the_place_of_a_small_file_is_named(whole, emulator, tmp_path, capsys, name):
    output = tmp_path / "damaged"
    shutil.copytree(whole, output)
    (path,) = output.glob(name)
    assert run_into(output, whole.parent) == 0
    a_folder(path)
    capsys.readouterr()
    assert run_into(output, whole.parent) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"Is a directory: '{path}'" in said
    assert "restore it from a copy" in said
    assert "#a-damaged-folder" in said
    assert emulator.stats()["calls"] == 0


@pytest.mark.parametrize("name", ["journal", "captions"])
def test_what_cannot_be_written_at_the_end_is_no_reason_to_call(emulator, make_picture, tmp_path, capsys, name):
    make_picture(tmp_path / "0.png", 0)
    output = tmp_path / "out"
    output.mkdir()
    (output / name).touch()
    assert run_into(output, tmp_path) == 2
    assert f"It is no folder that may be written to: '{output / name}'" in capsys.readouterr().err
    assert emulator.stats()["calls"] == 0


def test_doctor_leads_to_what_to_do_with_it(whole, emulator, tmp_path, capsys):
    output = tmp_path / "damaged"
    shutil.copytree(whole, output)
    half(output / "runs" / "log" / "00000001.json")
    flags = ["--images", str(whole.parent), "--features", "tags", "--output", str(output)]
    assert main(["doctor", *flags, "--json"]) == 2
    (red,) = (check for check in json.loads(capsys.readouterr().out)["checks"] if not check["is_good"])
    assert (red["check"], red["entry"]) == ("owner", "a-damaged-folder")
    assert "restore it from a copy" in red["fix"]


def test_a_damaged_journal_is_moved_away(whole, emulator, tmp_path, capsys):
    output = tmp_path / "damaged"
    shutil.copytree(whole, output)
    died = start_run(str(output), owner=this_process() | {"process_started": 0}).run_id
    segment = output / "journal" / f"run={died}" / "batch" / "responses-1.parquet"
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"half")
    assert run_into(output, whole.parent) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert str(segment) in said
    assert "move it away" in said
    segment.rename(tmp_path / "away")
    assert run_into(output, whole.parent) == 0


@pytest.mark.parametrize("table", ["tags", "images", "inputs"])
def test_the_command_that_is_printed_makes_the_tables_anew(whole, emulator, tmp_path, capsys, table):
    output = tmp_path / "dam aged"
    shutil.copytree(whole, output)
    path = next(output.glob(f"{table}/run=*/*.parquet"))
    half(path)
    assert run_into(output, whole.parent) == (2 if table == "images" else 0)
    (told,) = (line for line in "".join(capsys.readouterr()).splitlines() if str(path) in line)
    command = shlex.split(re.search(r"image-analysis-beam (reflatten [^;(]*)", told)[1])
    assert main(command) == 0
    again = Path(command[-1])
    assert main(["report", str(again)]) == 0
    assert run_into(again, whole.parent) == 0
    assert "could not be made" not in capsys.readouterr().out
    assert pq.read_table(tags_of(again)).num_rows == pq.read_table(tags_of(whole)).num_rows > 0
    assert emulator.stats()["calls"] == 0


def test_every_table_that_can_be_made_anew_says_how(tmp_path):
    for table in TABLES:
        fix = fix_of(f"Is a directory: '{tmp_path}/{table}/run=1/a.parquet'")
        assert ("reflatten --stored" in fix) == (table != "responses")
        assert "restore it from a copy" in fix
    assert fix_of("No space left on device: '/tmp/a'") == CHECK


def test_what_a_sync_tool_puts_beside_the_log_is_no_entry(whole, emulator, tmp_path):
    output = tmp_path / "synced"
    shutil.copytree(whole, output)
    log = output / "runs" / "log"
    shutil.copy(log / "00000001.json", log / "00000001 9.json")
    flags = ["--images", str(whole.parent), "--features", "tags", "--output", str(output), "--quiet"]
    assert main(["run", *flags]) == 0
    assert (log / "00000002.json").exists()
    assert emulator.stats()["calls"] == 0
