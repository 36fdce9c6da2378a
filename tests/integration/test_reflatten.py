"""Section tables are a pure function of answers: flattened again, they are the same, and no call is made."""

from contextlib import contextmanager

import pytest

from image_analysis_beam.pipeline import reflatten
from image_analysis_beam.pipeline.failures import OWNED
from image_analysis_beam.pipeline.stopping import SIGNALS
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import newest_entry
from image_analysis_beam.transforms.ledger.records import fence

SECTIONS = [name for name, table in TABLES.items() if table.kind == "section"]


def rows(finished, table):
    columns = ", ".join(f'"{name}"' for name in TABLES[table].schema.names if name != "run_id")
    return sorted(map(repr, finished.rows(table, columns)))


def test_reflattened_tables_equal_the_first(emulator, run, pictures, tmp_path):
    folder = pictures(10)[0].parent
    features = "caption,denseCaptions,tags,objects,people,smartCrops,read"
    run("--images", folder / "*.png", features=features)
    pictures(10, first=10)
    first = run("--images", folder / "*.png", features=features)
    calls = emulator.stats()["calls"]
    again = run("--stored", first.output, "--output", tmp_path / "fresh", command="reflatten", features=None)
    assert again.code == 0
    assert "20 analyzed" in again.out
    assert emulator.stats()["calls"] == calls
    for table in [*SECTIONS, "responses"]:
        assert rows(again, table) == rows(first, table), table
    skipped = run("--images", folder / "*.png", "--output", tmp_path / "fresh", features=features)
    assert skipped.manifest["skipped"] == {"answered": 20}


def test_only_into_a_fresh_folder_and_only_from_one_with_answers(emulator, run, pictures, tmp_path):
    first = run("--images", pictures(1)[0])
    for stored, output, words in (
        (first.output, first.output, "holds runs already"),
        (tmp_path / "none", tmp_path / "fresh", "no committed run"),
        ("", tmp_path / "fresh", "set --stored and --output"),
    ):
        refused = run("--stored", stored, "--output", output, command="reflatten", features=None)
        assert refused.code == 2
        assert words in refused.err


@pytest.fixture
def flags(emulator, run, pictures, tmp_path):
    first = run("--images", pictures(1)[0])
    return ["--stored", str(first.output), "--output", str(tmp_path / "fresh")]


def test_another_one_writes_there_after_the_folder_was_found_fresh(run, flags, monkeypatch):
    own = reflatten.own

    def own_after_another(*given, **how):
        monkeypatch.setattr(reflatten, "own", own)
        assert reflatten.main(flags) == 0
        return own(*given, **how)

    monkeypatch.setattr(reflatten, "own", own_after_another)
    refused = run(*flags, command="reflatten", features=None)
    assert refused.code == 2
    assert "holds runs already" in refused.err
    assert refused.rows("images", "count(*)") == [(1,)]
    assert not list(refused.output.glob("runs/*/members/*"))


def test_it_is_taken_over(run, flags, monkeypatch):
    layout, live_folder = Layout(flags[-1]), reflatten.live_folder

    def live_folder_of_one_that_is_over():
        fence(layout, newest_entry(layout).run_id, by="another")
        return live_folder()

    monkeypatch.setattr(reflatten, "live_folder", live_folder_of_one_that_is_over)
    over = run(*flags, command="reflatten", features=None)
    assert over.code == OWNED
    assert "was taken over by another" in over.err.splitlines()[-1]
    assert list(over.output.rglob("*.parquet")) == []


def test_a_signal_comes_when_it_is_committed(run, flags, monkeypatch):
    """It was told to be run again, which was refused then."""
    live_folder, codes = reflatten.live_folder, []

    @contextmanager
    def live_folder_with_a_signal():
        with live_folder() as folder:
            yield folder
        codes.append(SIGNALS._phase.end())

    monkeypatch.setattr(reflatten, "live_folder", live_folder_with_a_signal)
    said = run(*flags, command="reflatten", features=None).err
    assert codes == [0]
    assert "is committed and complete" in said
