"""A record is created once: who comes second learns it."""

import pytest

from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.records import TakenOver, commit, fence, is_committed, read_record

RUN = "20260101T000000Z-0000"


def test_a_fenced_run_cannot_commit(tmp_path):
    layout = Layout(str(tmp_path))
    fenced = fence(layout, RUN, by="another")
    with pytest.raises(TakenOver):
        commit(layout, RUN, {"run_id": RUN})
    assert read_record(layout, RUN) == fenced


def test_a_committed_run_is_not_fenced_and_commits_again_as_it_was(tmp_path):
    layout = Layout(str(tmp_path))
    record = commit(layout, RUN, {"run_id": RUN, "committed_at": "first"})
    assert commit(layout, RUN, {"run_id": RUN, "committed_at": "second"}) == record
    assert is_committed(fence(layout, RUN, by="another"))
    assert read_record(layout, RUN) == record
