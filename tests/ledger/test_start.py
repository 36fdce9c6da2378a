"""How a run becomes owner, while the one before it ends."""

from image_analysis_beam.transforms.ledger import log
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_runs, entry_of, newest_entry
from image_analysis_beam.transforms.ledger.records import commit
from image_analysis_beam.transforms.ledger.start import start_run

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


def test_entries_that_a_listing_does_not_show_yet_are_found(tmp_path, monkeypatch):
    layout = Layout(str(tmp_path))
    for run in (EARLIER, MINE):
        start_run(layout.output, run)
        commit(layout, run, {"run_id": run, "tables": {}})
    monkeypatch.setattr(log, "list_folder", lambda _: iter(()))
    assert committed_runs(layout) == [EARLIER, MINE]
    assert [entry_of(layout, run).number for run in (EARLIER, MINE)] == [1, 2]
