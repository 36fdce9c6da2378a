"""The commit: the record first, and only then what need not be kept is removed."""

from __future__ import annotations

import os
from datetime import datetime, timezone

import pytest

from image_analysis_beam.transforms.account_run import _Commit
from image_analysis_beam.transforms.files.local import LocalStore
from image_analysis_beam.transforms.files.storage import write_whole
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import history_of
from image_analysis_beam.transforms.ledger.records import TakenOver, fence, read_record
from image_analysis_beam.transforms.ledger.start import start_run
from image_analysis_beam.transforms.write_tables import WrittenFile

DEAD, RUN = "20261124T000000Z-0000", "20261125T000000Z-0000"
AT = datetime(2026, 11, 25, tzinfo=timezone.utc)
COUNTS = {"input": 2}


@pytest.fixture
def layout(tmp_path):
    """The folder of a run that has published its table, and took in a segment of a dead one."""
    layout = Layout(str(tmp_path / "out"))
    start_run(layout.output, DEAD)
    write_whole(f"{layout.journal(DEAD)}/1.parquet", b"answers")
    write_whole(f"{layout.staging(DEAD)}/images-0.parquet", b"rows")
    start_run(layout.output, RUN, take_over=DEAD)
    write_whole(f"{layout.journal(RUN)}/2.parquet", b"answers")
    write_whole(f"{layout.partition('images', RUN)}/images-1.parquet", b"rows")
    write_whole(f"{layout.partition('images', RUN)}/of-a-bundle-that-was-done-again.parquet", b"rows")
    return layout


def commit(layout, takes_in=True):
    file = WrittenFile("images", f"{layout.partition('images', RUN)}/images-1.parquet", 2)
    return list(_Commit(layout, RUN, {}, None, takes_in, lambda: AT).process([file], COUNTS))


def names(layout):
    return sorted(layout.name(file.path) for file in LocalStore().listing(layout.output + "/"))


def test_after_the_record_what_it_took_in_is_removed(layout):
    (record,) = commit(layout)
    assert record == read_record(layout, RUN)
    kept = [f"images/run={RUN}/images-1.parquet", f"runs/{DEAD}.json", f"runs/{RUN}.json"]
    assert names(layout) == [*kept, "runs/log/00000001.json", "runs/log/00000002.json"]
    assert commit(layout) == [record], "an engine may do it again"


def test_who_takes_nothing_in_removes_nothing_that_was_paid(tmp_path):
    layout = Layout(str(tmp_path / "out"))
    start_run(layout.output, DEAD)
    fence(layout, DEAD, by=DEAD)
    segment = f"{layout.journal(DEAD)}/1.parquet"
    write_whole(segment, b"answers")
    commit(layout, takes_in=False)
    assert history_of(layout, "") == ([RUN], [layout.name(segment)])


def test_without_a_record_nothing_is_removed(layout, monkeypatch):
    create = LocalStore.create

    def refused(store, path, data):
        if path == layout.record(RUN):
            raise OSError("storage is full")
        return create(store, path, data)

    before = names(layout)
    monkeypatch.setattr(LocalStore, "create", refused)
    with pytest.raises(OSError, match="full"):
        commit(layout)
    assert names(layout) == before


def test_a_run_that_was_taken_over_removes_nothing_of_others(layout):
    fence(layout, RUN, by="another")
    before = names(layout)
    with pytest.raises(TakenOver, match="taken over by another"):
        commit(layout)
    gone = set(before) - set(names(layout))
    assert gone
    assert all(f"run={RUN}/" in name and not name.startswith("journal/") for name in gone)


def test_answers_that_come_after_the_record_wait_for_the_next_owner(layout, monkeypatch):
    """Who wakes up late may write a segment while a later run removes what it took in."""
    commit(layout)
    write_whole(f"{layout.journal(DEAD)}/late.parquet", b"answers")
    commit(layout)
    assert os.path.exists(f"{layout.journal(DEAD)}/late.parquet")
