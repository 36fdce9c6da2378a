"""What earlier runs left behind: answers, journalled answers, dead letters and deferred images, by image.

Read inside the pipeline, column by column, and sent on as blocks of one shard of image ids each, so that millions of
answered images cost thousands of elements.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..schemas import TABLES
from .layout import Layout
from .storage import open_bytes

SHARD_DIGITS = 2  # 256 shards: an image id's first hex digits
_BATCH_ROWS = 65_536
_ANSWERS = 1000


def shard_of(image_id: str) -> str:
    """The shard that an image is planned in."""
    return image_id[:SHARD_DIGITS]


class HistoryFile(NamedTuple):
    """A file to scan: `kind` is `answered`, `journalled`, `dead` or `deferred`."""

    kind: str
    path: str


class KnownDead(NamedTuple):
    """What is known of an image's latest dead letter."""

    retryable: bool
    redrive_count: int
    first_attempt_us: int | None
    last_attempt_us: int


class Block(NamedTuple):
    """Rows of one shard: `kind`, and for each row a tuple that begins with image id and fingerprint."""

    kind: str
    rows: list[tuple[Any, ...]]


class ReadHistory(beam.PTransform):
    """PBegin -> PCollection of `(shard, Block)`: all that is known of earlier requests of this fingerprint.

    Journalled answers are given for every fingerprint: they were paid for, whatever was asked.

    Args:
      output: the output folder of the earlier runs.
      run_id: the run that reads; what it wrote itself is no history.
      fingerprint: of the request.
    """

    def __init__(self, output: str, run_id: str, fingerprint: str, dead_runs: list[str]) -> None:
        super().__init__()
        self._layout, self._run_id, self._fingerprint, self._dead_runs = (
            Layout(output),
            run_id,
            fingerprint,
            dead_runs,
        )

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return (
            begin
            | beam.Create([self._layout.output], reshuffle=False)
            | "ListHistory" >> beam.FlatMap(lambda _: history_files(self._layout, self._run_id, self._dead_runs))
            | "SpreadHistory" >> beam.Reshuffle()
            | "ScanHistory" >> beam.FlatMap(scan, self._fingerprint, bool(self._dead_runs))
        )


def history_files(layout: Layout, run_id: str, dead_runs: list[str]) -> Iterator[HistoryFile]:
    """The files that tell of earlier runs: the tables of committed ones, the journals of dead ones."""
    committed = set(layout.committed_runs()) - {run_id}
    for kind, table in (("answered", "responses"), ("dead", "dead_letters"), ("deferred", "deferred")):
        for run, paths in layout.files(table).items():
            if run in committed:
                yield from (HistoryFile(kind, path) for path in paths)
    journals = layout.files("journal")
    for run in dead_runs:
        yield from (HistoryFile("journalled", path) for path in journals.get(run, []))


def scan(file: HistoryFile, fingerprint: str, every_request: bool = False) -> Iterator[tuple[str, Block]]:
    """One file's rows as blocks by shard.

    Args:
      file: what to read.
      fingerprint: of the request; rows of others are left out.
      every_request: keep answered rows of other requests too, to tell which journalled answers are in the tables.
    """
    keep_all = file.kind == "journalled" or (file.kind == "answered" and every_request)
    with open_bytes(file.path) as source:
        first = 0
        for batch in pq.ParquetFile(source).iter_batches(_BATCH_ROWS, columns=_COLUMNS[file.kind]):
            table = pa.Table.from_batches([batch])
            wanted = table if keep_all else table.filter(pc.equal(table["fingerprint"], fingerprint))
            yield from _by_shard(file.kind, _rows(file, wanted, first))
            first += table.num_rows


def read_rows(path: str, rows: Iterable[list[int]]) -> Iterator[pa.Table]:
    """The given rows of a file of the `responses` schema, a thousand at a time."""
    wanted = sorted(row for block in rows for row in block)
    with open_bytes(path) as source:
        first = 0
        for batch in pq.ParquetFile(source).iter_batches(_ANSWERS):
            end = first + batch.num_rows
            here = [row - first for row in wanted[bisect_left(wanted, first) : bisect_left(wanted, end)]]
            if here:
                table = pa.Table.from_batches([batch]).take(here)
                yield table.select(TABLES["responses"].schema.names).cast(TABLES["responses"].schema)
            first = end


_COLUMNS = {
    "answered": ["image_id", "fingerprint"],
    "deferred": ["image_id", "fingerprint"],
    "journalled": ["image_id", "fingerprint"],
    "dead": ["image_id", "fingerprint", "retryable", "redrive_count", "first_attempt_at", "last_attempt_at"],
}


def _rows(file: HistoryFile, table: pa.Table, first: int) -> list[tuple[Any, ...]]:
    """Tuples of image id, fingerprint, and what the kind adds to them."""
    columns = [table["image_id"].to_pylist(), table["fingerprint"].to_pylist()]
    if file.kind == "journalled":
        columns += [[file.path] * table.num_rows, list(range(first, first + table.num_rows))]
    elif file.kind == "dead":
        columns.append(_known_dead(table))
    return list(zip(*columns, strict=True))


def _known_dead(table: pa.Table) -> list[KnownDead]:
    first, last = (table[name].cast(pa.int64()).to_pylist() for name in ("first_attempt_at", "last_attempt_at"))
    facts = zip(table["retryable"].to_pylist(), table["redrive_count"].to_pylist(), first, last, strict=True)
    return [KnownDead(retryable, count, began, ended or 0) for retryable, count, began, ended in facts]


def _by_shard(kind: str, rows: list[tuple[Any, ...]]) -> Iterator[tuple[str, Block]]:
    shards: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        shards.setdefault(shard_of(row[0]), []).append(row)
    for shard, block in shards.items():
        yield shard, Block(kind, block)
