"""A run with nothing new writes its entry of the log and its record, and no other file."""

from __future__ import annotations

import json

import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_runs

FEATURES = "tags,caption"


def files(output):
    return {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}


def check_nights(run, flags, output, skipped, nights):
    for _ in range(nights):
        before = files(output)
        night = run(*flags, features=FEATURES)
        assert night.code == 0, night.err
        assert night.manifest["skipped"] == skipped
        run_id = night.manifest["run_id"]
        number = len(list((output / "runs" / "log").iterdir()))
        assert files(output) - before == {f"runs/{run_id}.json", f"runs/log/{number:08d}.json"}
        assert not before - files(output)
        assert not [path for path in output.rglob(f"*{run_id}") if path.is_dir()], "an empty folder"
        assert all(table == {"rows": 0, "files": []} for table in night.manifest["tables"].values())


@pytest.fixture
def answered(emulator, run, pictures):
    """The flags of a run of which every image is answered, and its output."""
    flags = ("--images", pictures(10)[0].parent / "*.png")
    first = run(*flags, features=FEATURES)
    assert first.manifest["conservation"]["analyzed"] == 10
    return flags, first.output


@pytest.mark.parametrize("nights", [2, pytest.param(12, marks=pytest.mark.long)])
def test_nights_with_nothing_new(nights, answered, emulator, run, pictures, tmp_path, capsys):
    flags, output = answered
    check_nights(run, flags, output, {"answered": 10}, nights)
    assert emulator.stats()["calls"] == 10
    check_commands(run, flags, output, tmp_path, capsys)
    pictures(3, first=10)
    assert run(*flags, features=FEATURES).manifest["conservation"]["analyzed"] == 3
    assert len(committed_runs(Layout(str(output)))) == nights + 2


@pytest.mark.parametrize("nights", [1, pytest.param(12, marks=pytest.mark.long)])
def test_nights_of_a_list_that_does_not_change(nights, emulator, run, pictures, listed):
    flags = ("--input", listed(pictures(10)))
    output = run(*flags, features=FEATURES).output
    check_nights(run, flags, output, {"answered": 10}, nights)
    assert emulator.stats()["calls"] == 10


def check_commands(run, flags, output, tmp_path, capsys):
    """What only reads works, and sees the tables of the runs before."""
    before = files(output)
    planned = run(*flags, "--json", command="plan", features=FEATURES)
    assert (planned.code, json.loads(planned.out)["skipped"]) == (0, {"answered": 10})
    assert main(["show", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "images: " not in shown, "tables without rows are not listed"
    assert "run=" not in shown, "a folder that is not there"
    assert files(output) == before
    assert main(["report", str(output)]) == 0
    again = run("--stored", output, "--output", tmp_path / "again", command="reflatten", features=None)
    assert (again.code, again.manifest["conservation"]["analyzed"]) == (0, 10)
    assert len(again.rows("images")) == 10


@pytest.mark.long
def test_nights_of_a_list_whose_images_are_all_known_bad(emulator, run, listed, tmp_path):
    """No table of answers has any row: each is there once, with its schema."""
    bad = [tmp_path / f"{number}.png" for number in range(3)]
    for path in bad:
        path.write_text("no picture")
    flags = ("--input", listed(bad))
    first = run(*flags, features=FEATURES)
    assert first.manifest["conservation"]["dead_letters"] == 3
    check_nights(run, flags, first.output, {"known_bad": 3}, 2)
    assert first.rows("images", "count(*)") == [(0,)]
    assert main(["show", str(first.output)]) == main(["report", str(first.output)]) == 0
    planned = run(*flags, "--json", command="plan", features=FEATURES)
    assert json.loads(planned.out)["skipped"] == {"known_bad": 3}
    again = run("--stored", first.output, "--output", tmp_path / "again", command="reflatten", features=None)
    assert again.code == 0, again.err
