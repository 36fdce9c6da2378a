"""Parquet as it lies there: whole files, useful row groups, empty tables; journals that are written in time."""

import threading
from datetime import datetime, timezone

import apache_beam as beam
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.schemas import TABLES
from image_analysis_beam.schemas.outcomes import Analyzed, DeadLetter, Deferred
from image_analysis_beam.transforms import WriteTables
from image_analysis_beam.transforms.ledger.journal import MOST_HELD, SEGMENT_OUTCOMES, JournalWriter, read_segments
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.write_tables import ROW_GROUP_ROWS, WrittenFile, publish


def deferred_rows(number):
    return TABLES["deferred"].to_table([Deferred(f"{n:032x}", "u", "outage", "", "v1", "r") for n in range(number)])


def answer(number):
    now = datetime.now(timezone.utc)
    return Analyzed(
        f"{number:032x}", "u", "v1", "r", "2024-02-01", ("tags",), None, "{}", None, None, 1, 1.5, 1, False, 9, 0, now
    )


def test_small_tables_become_large_row_groups_and_no_rows_an_empty_file(tmp_path):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        rows = pipeline | beam.Create(range(130)) | beam.Map(lambda _: ("deferred", deferred_rows(1000)))
        (rows,) | WriteTables(str(tmp_path), "run", ["deferred", "dead_letters"])
    (path,) = (tmp_path / "deferred" / "run=run").iterdir()
    metadata = pq.read_metadata(path)
    assert metadata.num_rows == 130_000
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [
        ROW_GROUP_ROWS,
        130_000 - ROW_GROUP_ROWS,
    ]
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    (empty,) = (tmp_path / "dead_letters" / "run=run").iterdir()
    assert pq.read_schema(empty).equals(TABLES["dead_letters"].schema, check_metadata=False)
    assert pq.read_metadata(empty).num_rows == 0


def test_publishing_twice_does_no_harm(tmp_path):
    layout = Layout(str(tmp_path))
    staged = WrittenFile("deferred", f"{layout.staging('run')}/deferred-1.parquet", 3)
    (tmp_path / "staging" / "run=run").mkdir(parents=True)
    pq.write_table(deferred_rows(3), staged.path)
    first = publish(layout, "run", ["deferred"], [staged])
    assert publish(layout, "run", ["deferred"], [staged]) == first
    assert pq.read_metadata(first[0].path).num_rows == 3


class Written:
    """Stands at the end of a journal and tells when a segment was written."""

    def __init__(self):
        self.rows, self.happened = [], threading.Event()

    def __call__(self, path, table):
        self.rows.append(table.num_rows)
        self.happened.set()


def letter(number):
    return DeadLetter(
        f"{number:032x}", "u", "rejected_image", 400, "InvalidRequest", None, "too small", False, True, 1, None, None,
        None, None, 1, "v1", 0, "{}", "r",
    )  # fmt: skip


def test_an_old_answer_is_written_though_nothing_else_happens():
    written = Written()
    writer = JournalWriter("folder", max_age=0.01, write=written)
    writer.add("batch", answer(1), {})
    assert written.happened.wait(30)
    assert [segment.rows.num_rows for segment in writer.close()] == [1]
    assert written.rows == [1]


def test_a_full_segment_or_a_whole_batch_is_written_at_once():
    written = Written()
    writer = JournalWriter("folder", max_age=1e6, write=written)
    for number in range(SEGMENT_OUTCOMES):
        writer.add("large", answer(number), {})
    assert written.happened.wait(30)
    written.happened.clear()
    writer.add("small", answer(0), {})
    writer.finish("small")
    assert written.happened.wait(30)
    assert written.rows == [SEGMENT_OUTCOMES, 1]
    writer.close()


def test_nothing_is_emitted_before_it_is_written_and_a_slow_disk_holds_answers_back():
    may_write, writing = threading.Event(), threading.Event()

    def write(path, table):
        writing.set()
        assert may_write.wait(30)

    writer = JournalWriter("folder", max_age=1e6, write=write)
    added = threading.Semaphore(0)

    def add_many():
        for number in range(4 * MOST_HELD):
            writer.add("batch", answer(number), {})
            added.release()

    adding = threading.Thread(target=add_many)
    adding.start()
    assert writing.wait(30)
    for _ in range(MOST_HELD):
        assert added.acquire(timeout=30)
    assert writer.take() == []
    may_write.set()
    adding.join(30)
    assert sum(segment.rows.num_rows for segment in [*writer.take(), *writer.close()]) == 4 * MOST_HELD


def test_a_journal_that_cannot_be_written_fails_the_bundle():
    failed = threading.Event()

    def fail(path, table):
        failed.set()
        raise OSError("disk full")

    writer = JournalWriter("folder", max_age=0.01, write=fail)
    writer.add("batch", answer(1), {})
    assert failed.wait(30)
    with pytest.raises(OSError, match="disk full"):
        writer.close()


def test_while_the_store_is_away_no_outcome_is_taken_and_none_is_lost():
    away, written = threading.Event(), Written()
    tries = threading.Semaphore(0)

    def write(path, table):
        tries.release()
        if not away.is_set():
            raise OSError("away")
        written(path, table)

    writer = JournalWriter("folder", max_age=0.0, patience=60, write=write)
    writer.add("batch", answer(1), {})
    assert tries.acquire(timeout=30)
    assert tries.acquire(timeout=30), "it is tried again"
    adding = threading.Thread(target=writer.add, args=("batch", answer(2), {}))
    adding.start()
    assert tries.acquire(timeout=30)
    assert adding.is_alive(), "who calls waits"
    away.set()
    adding.join(30)
    assert [segment.rows.num_rows for segment in writer.close()] == [1, 1]
    assert written.rows == [1, 1]


def test_a_run_that_is_to_stop_is_not_patient():
    tried = threading.Event()

    def write(path, table):
        tried.set()
        raise OSError("away")

    writer = JournalWriter("folder", max_age=0.0, patience=1e6, write=write)
    writer.add("batch", answer(1), {})
    assert tried.wait(30)
    writer.trip()
    with pytest.raises(OSError, match="away"):
        writer.close()


def test_what_is_emitted_is_what_is_on_disk_whenever_it_came(tmp_path):
    writer = JournalWriter(str(tmp_path), max_age=1e6)
    for number in range(3):
        writer.add("batch", answer(number), {"attempts.answered": 1})
    put_off = Deferred("4" * 32, "u", "outage", "unanswered; may have been billed", "v1", "r")
    writer.add("batch", put_off, {"attempts.unanswered": 1})
    writer.add("batch", None, {"attempts.throttled": 2})
    writer.add("batch", letter(3), {"attempts.rejected_image": 1})
    emitted = writer.close()
    writer.add("batch", answer(4), {"attempts.answered": 1})  # by a call that was in flight when its bundle died
    held = read_segments(str(tmp_path), "batch")
    assert sorted((segment.kind, segment.rows.num_rows, segment.counts) for segment in held) == [
        ("dead_letters", 1, {"attempts.rejected_image": 1}),
        ("deferred", 1, {"attempts.unanswered": 1, "attempts.throttled": 2}),
        ("responses", 1, {"attempts.answered": 1}),
        ("responses", 3, {"attempts.answered": 3}),
    ]
    assert [list(segment.failures()) for segment in held[:2]] == [[letter(3)], [put_off]]
    for segment in emitted:
        assert any(segment.rows.equals(other.rows) for other in held)
