"""`WriteTables`: Arrow tables of many kinds into Parquet, one partition per run, row groups of a useful size.

Why not Beam's `WriteToParquetBatched`: it makes at least one row group of every table it gets, takes one sink (six
steps) per table, and does not say which files it wrote, while the manifest has to name them. Files are staged by the
bundles, and only those of bundles that Beam committed are renamed into place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import uuid4

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from ..schemas import PARQUET_WRITE_OPTIONS, TABLES
from .files import storage
from .files.many import rename_many
from .ledger.layout import Layout
from .ledger.log import committed_runs
from .ledger.records import check_owner, read_record
from .ledger.tidy import leaving_nothing_if_taken_over
from .member_fn import MemberFn
from .records_to_tables import TableRows
from .windowing import at_end_of_bundle

ROW_GROUP_ROWS = 65_000
ROW_GROUP_BYTES = 64 * 1024 * 1024
FILE_BYTES = 1024 * 1024 * 1024  # as Arrow tables in memory; a fraction of it as Parquet


class WrittenFile(NamedTuple):
    """A file of a table: its path, and how many rows it holds."""

    table: str
    path: str
    rows: int


class WriteTables(beam.PTransform):
    """Tuple of PCollections of `(table name, pa.Table)` -> PCollection with one list of `WrittenFile`.

    Every table of `tables` is there afterwards: one without rows as a file of its schema, once in an output folder.

    Args:
      output: the output folder.
      run_id: the partition.
      tables: names of `schemas.TABLES`.
    """

    def __init__(self, output: str, run_id: str, tables: Iterable[str]) -> None:
        super().__init__()
        self._layout, self._run_id, self._tables = Layout(output), run_id, list(tables)

    def expand(self, branches: tuple[beam.PCollection, ...]) -> beam.PCollection:
        stage = _Stage(self._layout, self._run_id)
        staged = [rows | f"Stage {number}" >> beam.ParDo(stage) for number, rows in enumerate(branches)]
        start = branches[0].pipeline | "EvenIfEmpty" >> beam.Create([(None, None)], reshuffle=False)
        return (
            (start, *staged)
            | beam.Flatten()
            | "Committed" >> beam.GroupByKey()
            | "Publish" >> beam.MapTuple(lambda _, files: publish(self._layout, self._run_id, self._tables, files))
        )


class TableFile:
    """Gathers the rows of one table and writes them as row groups of one Parquet file.

    Args:
      table: the table's name.
      path: where it is staged.
      threads: encode a row group while the rows of the next one come.
    """

    def __init__(self, table: str, path: str, threads: Executor) -> None:
        self.table, self.path, self.rows, self.bytes, self._threads = table, path, 0, 0, threads
        self._schema = TABLES[table].schema
        self._held: list[pa.Table] = []
        self._held_rows = self._held_bytes = 0
        self._writing: Future[None] | None = None
        self._file = storage.create(path)
        self._writer = pq.ParquetWriter(self._file, self._schema, **PARQUET_WRITE_OPTIONS)

    def add(self, table: pa.Table) -> None:
        self._held.append(table)
        self._held_rows += table.num_rows
        self._held_bytes += table.nbytes
        self.rows += table.num_rows
        self.bytes += table.nbytes
        if self._held_rows >= ROW_GROUP_ROWS or self._held_bytes >= ROW_GROUP_BYTES:
            self.flush()

    def close(self) -> WrittenFile:
        self.flush()
        self._written()
        self._writer.close()
        self._file.close()
        return WrittenFile(self.table, self.path, self.rows)

    def flush(self) -> None:
        """Begins to write what is held, after what is being written."""
        self._written()
        if self._held_rows:
            group, rows = pa.concat_tables(self._held), self._held_rows
            self._writing = self._threads.submit(self._writer.write_table, group, row_group_size=rows)
        self._held, self._held_rows, self._held_bytes = [], 0, 0

    def _written(self) -> None:
        if self._writing:
            self._writing.result()
            self._writing = None


class _Stage(MemberFn):
    def __init__(self, layout: Layout, run_id: str) -> None:
        super().__init__(layout.output, run_id)
        self._folder = layout.staging(run_id)

    def start_bundle(self) -> None:
        self._open: dict[str, TableFile] = {}
        self._threads = ThreadPoolExecutor(pa.cpu_count(), "write")

    def process(self, element: TableRows) -> Iterator[tuple[None, WrittenFile]]:
        name, table = element
        if name not in self._open:
            path = storage.join(self._folder, f"{name}-{uuid4().hex}.parquet")
            self._open[name] = TableFile(name, path, self._threads)
        self._open[name].add(table)
        if self._open[name].bytes >= FILE_BYTES:
            yield None, self._open.pop(name).close()

    def finish_bundle(self) -> Iterator[Any]:
        for file in self._open.values():
            file.flush()
        for file in self._open.values():
            yield at_end_of_bundle((None, file.close()))
        self._threads.shutdown()


def publish(
    layout: Layout, run_id: str, tables: Iterable[str], staged: Iterable[WrittenFile | None]
) -> list[WrittenFile]:
    """Moves staged files into the run's partitions, under their own names; doing it again does no harm.

    A table without rows gets a file of its schema, unless a committed run has one.

    Raises:
      TakenOver: the run was fenced.
    """
    files = list(filter(None, staged))
    moves = [(file.path, layout.published(file.table, run_id, file.path)) for file in files]
    published = [file._replace(path=path) for file, (_, path) in zip(files, moves, strict=True)]
    with leaving_nothing_if_taken_over(layout, run_id):
        try:
            if read_record(layout, run_id) is None:
                published += _write_schemas(layout, run_id, set(tables) - {file.table for file in files})
                rename_many(moves)
        finally:  # what is gone was perhaps removed by who has fenced this run
            check_owner(read_record(layout, run_id) or {})
    return published


def _write_schemas(layout: Layout, run_id: str, tables: Iterable[str]) -> list[WrittenFile]:
    """A file without rows for each table of which no committed run has any."""
    committed, written = set(committed_runs(layout)), []
    for name in sorted(tables):
        if not any(run in committed for run, _ in layout.iterate_files(name)):
            path = layout.published(name, run_id, "schema.parquet")
            storage.write_table(path, TABLES[name].schema.empty_table())
            written.append(WrittenFile(name, path, 0))
    return written
