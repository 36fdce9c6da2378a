"""What is removed after a commit, and what is not."""

import pytest

from image_analysis_beam.transforms.files.storage import exists, write_whole
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import Entry, create_entry
from image_analysis_beam.transforms.ledger.records import TakenOver, commit, fence, read_record
from image_analysis_beam.transforms.ledger.tidy import tidy
from image_analysis_beam.transforms.write_tables import WrittenFile, publish

EARLIER, DEAD, MINE, LATER = (f"2026010{day}T000000Z-0000" for day in range(1, 5))


def written(layout, *names):
    for name in names:
        write_whole(layout.path(name), b"rows")
    return list(names)


def left(layout, names):
    return [name for name in names if exists(layout.path(name))]


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path))


def test_a_segment_that_was_not_listed_stays_and_so_does_what_records_name(layout):
    taken_in = written(layout, f"journal/run={DEAD}/1.parquet")
    kept = written(layout, f"journal/run={DEAD}/2.parquet", f"journal/run={LATER}/1.parquet")
    kept += written(layout, f"images/run={EARLIER}/1.parquet", f"images/run={MINE}/1.parquet")
    kept += written(layout, f"images/run={LATER}/1.parquet", f"staging/run={LATER}/1.parquet")
    gone = written(layout, f"journal/run={MINE}/1.parquet", f"images/run={MINE}/other.parquet")
    gone += written(layout, f"images/run={DEAD}/1.parquet", f"staging/run={DEAD}/1.parquet")
    gone += written(layout, f"journal/run={DEAD}/.unfinished.tmp", f"runs/{DEAD}/members/launcher")
    for run in (EARLIER, MINE):
        files = [f"images/run={run}/1.parquet"]
        commit(layout, run, {"run_id": run, "tables": {"images": {"rows": 1, "files": files}}})
    fence(layout, DEAD, by=MINE)
    create_entry(layout, Entry(1, MINE, {"token": MINE}, [EARLIER], taken_in, {}))
    for _ in range(2):
        tidy(layout, MINE, read_record(layout, MINE))
        assert left(layout, kept) == kept
        assert left(layout, gone + taken_in) == []


def test_a_run_that_was_taken_over_leaves_nothing(layout):
    staged = written(layout, f"staging/run={DEAD}/1.parquet", f"staging/run={DEAD}/2.parquet")
    published = written(layout, f"images/run={DEAD}/0.parquet")
    fence(layout, DEAD, by=MINE)
    with pytest.raises(TakenOver):
        publish(layout, DEAD, [], [WrittenFile("images", layout.path(name), 1) for name in staged])
    assert left(layout, staged + published) == []
