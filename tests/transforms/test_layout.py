"""Which runs are committed, dead or alive."""

import json
import os
import time

import pytest

from image_analysis_beam.transforms.layout import ABANDONED_AFTER, Layout, new_run_id


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path / "out"))


def mark(layout, run_id, **owner):
    layout.mark_started(run_id, local=True)
    path = layout.started(run_id)
    with open(path) as file:
        facts = json.load(file)
    with open(path, "w") as file:
        json.dump(facts | owner, file)


def test_a_run_of_this_process_is_alive(layout):
    layout.mark_started("20260101T000000Z-0001", local=True)
    assert layout.dead_runs(but="") == []


def test_a_run_whose_process_is_gone_is_dead(layout):
    mark(layout, "20260101T000000Z-0001", pid=2**22 + 1)
    assert layout.dead_runs(but="") == ["20260101T000000Z-0001"]
    assert layout.dead_runs(but="20260101T000000Z-0001") == []


def test_another_process_with_the_same_number_is_another_process(layout):
    mark(layout, "20260101T000000Z-0001", process_started="1")
    assert layout.dead_runs(but="") == ["20260101T000000Z-0001"]


def test_a_run_on_another_machine_is_dead_when_it_is_silent(layout):
    mark(layout, "20260101T000000Z-0001", host="elsewhere")
    assert layout.dead_runs(but="") == []
    later = time.time() + ABANDONED_AFTER + 10
    assert layout.dead_runs(but="", clock=lambda: later) == ["20260101T000000Z-0001"]
    segment = f"{layout.journal('20260101T000000Z-0001')}/a.parquet"
    os.makedirs(os.path.dirname(segment))
    with open(segment, "w"):
        pass
    os.utime(segment, (later, later))
    assert layout.dead_runs(but="", clock=lambda: later) == []


def test_a_committed_run_is_neither_and_is_tidied(layout):
    layout.mark_started("20260101T000000Z-0001", local=True)
    with open(layout.manifest("20260101T000000Z-0001"), "w") as file:
        file.write("{}")
    assert layout.dead_runs(but="") == []
    assert layout.committed_runs() == ["20260101T000000Z-0001"]
    layout.tidy()
    assert not os.path.exists(layout.started("20260101T000000Z-0001"))


def test_run_ids_sort_by_time():
    assert new_run_id() != new_run_id()
    assert sorted([new_run_id(), "20200101T000000Z-ffff"])[0].startswith("2020")
