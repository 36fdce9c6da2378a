"""The end of a large run on a store that takes its time: files published and journals removed in minutes."""

from __future__ import annotations

import tracemalloc
from time import monotonic

import pytest

from image_analysis_beam.transforms.files import store
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import entry_of
from image_analysis_beam.transforms.ledger.records import commit
from image_analysis_beam.transforms.ledger.start import start_run
from image_analysis_beam.transforms.ledger.tidy import tidy
from image_analysis_beam.transforms.write_tables import WrittenFile, publish
from stand_ins.slow_store import SlowStore

DEAD, RUN = "20261124T000000Z-0000", "20261125T000000Z-0000"
TABLES = ["images", "responses", "tags", "read_words"]
LAYOUT = Layout("slow://out")


def segments(run_id, number):
    return (f"{LAYOUT.journal(run_id)}/{index:032x}.parquet" for index in range(number))


class Steps:
    """What the steps of a run took: seconds, and MB of memory at their peak."""

    def __init__(self, slow):
        self._slow, self.seconds, self.most = slow, {}, {}

    def __call__(self, name, do, *given):
        tracemalloc.reset_peak()
        before, requests, started = tracemalloc.get_traced_memory()[0], self._slow.requests, monotonic()
        done = do(*given)
        self.seconds[name], self.most[name] = monotonic() - started, tracemalloc.get_traced_memory()[1] - before >> 20
        print(f"{name}: {self.seconds[name]:.1f} s, {self._slow.requests - requests} requests, {self.most[name]} MB")
        return done


@pytest.fixture
def traced():
    """Memory is counted; a store that serves many names sorts them for a listing, which is its own."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("files", "journalled", "seconds"),
    [(10_000, 5_000, 60), pytest.param(10_000, 300_000, 300, marks=pytest.mark.long)],
)
def test_a_large_run_ends_in_minutes(monkeypatch, traced, files, journalled, seconds):
    slow = SlowStore()
    monkeypatch.setitem(store.MAKERS, "slow", lambda options: slow)
    start_run(LAYOUT.output, DEAD, owner={"token": "1"})
    staged = [
        WrittenFile(TABLES[number % 4], f"{LAYOUT.staging(RUN)}/{TABLES[number % 4]}-{number:032x}.parquet", 1)
        for number in range(files)
    ]
    slow.names |= {*segments(DEAD, journalled // 2), *(file.path for file in staged)}
    steps = Steps(slow)
    steps("start", lambda: start_run(LAYOUT.output, RUN, take_over=DEAD, owner={"token": "2"}))
    slow.names |= {*segments(RUN, journalled - journalled // 2)}
    published = steps("publish", publish, LAYOUT, RUN, TABLES, staged)
    named = {
        table: {"files": [LAYOUT.name(file.path) for file in published if file.table == table]} for table in TABLES
    }
    record = steps("commit", commit, LAYOUT, RUN, {"run_id": RUN, "tables": named})
    steps("tidy", tidy, LAYOUT, RUN, record)
    took = sum(steps.seconds.values()) - steps.seconds["start"]
    assert took < seconds
    assert max(steps.most["publish"], steps.most["commit"], steps.most["tidy"]) < 64
    assert steps.most["start"] < 100
    assert {name for name in slow.names if "/runs/" not in name} == {file.path for file in published}
    assert len(published) == files
    assert steps.seconds["start"] < 30
    assert len(entry_of(LAYOUT, RUN).reads) == journalled // 2
