"""How a run becomes owner, while the one before it ends."""

import pytest

from image_analysis_beam.transforms.ledger import log, start
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_runs, entry_of, newest_entry
from image_analysis_beam.transforms.ledger.records import commit
from image_analysis_beam.transforms.ledger.start import Owned, start_run

EARLIER, MINE = "20260101T000000Z-0000", "20260102T000000Z-0000"


def test_a_run_that_commits_while_it_is_thought_dead_counts(tmp_path):
    layout = Layout(str(tmp_path))
    start_run(layout.output, EARLIER)

    def judge(*_):
        commit(layout, EARLIER, {"run_id": EARLIER, "tables": {}})
        return False

    assert start_run(layout.output, MINE, judge=judge).fenced == []
    entry = newest_entry(layout)
    assert entry is not None
    assert (entry.run_id, entry.committed) == (MINE, [EARLIER])


def test_another_one_starts_in_the_same_moment_and_may_have_ended(tmp_path, monkeypatch):
    layout = Layout(str(tmp_path))

    def create_after_another(*given):
        monkeypatch.setattr(start, "create_entry", log.create_entry)
        start_run(layout.output, EARLIER)
        commit(layout, EARLIER, {"run_id": EARLIER, "tables": {}})
        return log.create_entry(*given)

    monkeypatch.setattr(start, "create_entry", create_after_another)
    with pytest.raises(Owned, match=rf"went to run {EARLIER} \(process \d+ on .*when that has ended, run the same"):
        start_run(layout.output, MINE)
    assert start_run(layout.output, MINE).fenced == []


def test_entries_that_a_listing_does_not_show_yet_are_found(tmp_path, monkeypatch):
    layout = Layout(str(tmp_path))
    for run in (EARLIER, MINE):
        start_run(layout.output, run)
        commit(layout, run, {"run_id": run, "tables": {}})
    monkeypatch.setattr(log, "list_folder", lambda _: iter(()))
    assert committed_runs(layout) == [EARLIER, MINE]
    assert [entry_of(layout, run).number for run in (EARLIER, MINE)] == [1, 2]
