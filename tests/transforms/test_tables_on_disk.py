"""Parquet as it lies there: whole files, useful row groups, empty tables; journals that are written in time."""

import threading
from datetime import datetime, timezone

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.schemas import TABLES
from image_analysis_beam.schemas.outcomes import Analyzed, Deferred
from image_analysis_beam.transforms import WriteTables
from image_analysis_beam.transforms.journal_answers import SEGMENT_ANSWERS, JournalWriter
from image_analysis_beam.transforms.layout import Layout
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


def test_an_old_answer_is_written_though_nothing_else_happens():
    written = Written()
    writer = JournalWriter("folder", max_age=0.01, write=written)
    assert writer.add(answer(1)) == []
    assert written.happened.wait(5)
    assert [table.num_rows for table in writer.close()] == [1]
    assert written.rows == [1]


def test_a_full_segment_is_written_at_once_and_emitted_afterwards():
    written = Written()
    writer = JournalWriter("folder", max_age=1e6, write=written)
    for number in range(SEGMENT_ANSWERS):
        assert writer.add(answer(number)) == []
    assert written.happened.wait(5)
    emitted = [*writer.add(answer(SEGMENT_ANSWERS)), *writer.close()]
    assert [table.num_rows for table in emitted] == written.rows == [SEGMENT_ANSWERS, 1]


def test_nothing_is_emitted_before_it_is_written_and_a_slow_disk_holds_answers_back():
    may_write, writing = threading.Event(), threading.Event()

    def write(path, table):
        writing.set()
        assert may_write.wait(30)

    writer = JournalWriter("folder", max_age=1e6, write=write)
    emitted, added = [], threading.Semaphore(0)

    def add_many():
        for number in range(4 * SEGMENT_ANSWERS):
            emitted.extend(writer.add(answer(number)))
            added.release()

    adding = threading.Thread(target=add_many)
    adding.start()
    assert writing.wait(5)
    for _ in range(3 * SEGMENT_ANSWERS):  # a segment that is being written, and two that wait
        assert added.acquire(timeout=5)
    assert not added.acquire(timeout=0.05)
    assert emitted == []
    may_write.set()
    adding.join(30)
    emitted += writer.close()
    assert sum(table.num_rows for table in emitted) == 4 * SEGMENT_ANSWERS


def test_a_journal_that_cannot_be_written_fails_the_bundle():
    failed = threading.Event()

    def fail(path, table):
        failed.set()
        raise OSError("disk full")

    writer = JournalWriter("folder", max_age=0.01, write=fail)
    writer.add(answer(1))
    assert failed.wait(5)
    with pytest.raises(OSError, match="disk full"):
        writer.close()


def test_emitted_tables_are_what_is_on_disk(tmp_path):
    writer = JournalWriter(str(tmp_path / "journal"), max_age=1e6)
    for number in range(3):
        writer.add(answer(number))
    (table,) = writer.close()
    (segment,) = (tmp_path / "journal").iterdir()
    assert pq.read_table(segment).equals(table)
    assert isinstance(table, pa.Table)
