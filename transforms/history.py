"""What earlier runs left behind: answers, journalled answers, dead letters and deferred images, by image.

Read inside the pipeline, column by column, and sent on as blocks of one shard of image ids each, so that millions of
answered images cost thousands of elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .layout import Layout
from .storage import open_bytes

SHARD_DIGITS = 2  # 256 shards: an image id's first hex digits
_BATCH_ROWS = 65_536


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
    """Rows of one shard: `kind`, and for each row a tuple whose first item is the image id."""

    kind: str
    rows: list[tuple]


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
            | "ScanHistory" >> beam.FlatMap(scan, self._fingerprint)
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


def scan(file: HistoryFile, fingerprint: str) -> Iterator[tuple[str, Block]]:
    """One file's rows as blocks by shard."""
    read = {"answered": _ids, "deferred": _ids, "journalled": _journalled, "dead": _dead}[file.kind]
    with open_bytes(file.path) as source:
        offset = 0
        for batch in pq.ParquetFile(source).iter_batches(_BATCH_ROWS, columns=_COLUMNS[file.kind]):
            table = pa.Table.from_batches([batch])
            if file.kind == "journalled":
                rows = read(table, file.path, offset)
            else:
                rows = read(table.filter(pc.equal(table["fingerprint"], fingerprint)))
            offset += table.num_rows
            yield from _by_shard(file.kind, rows)


_COLUMNS = {
    "answered": ["image_id", "fingerprint"],
    "deferred": ["image_id", "fingerprint"],
    "journalled": ["image_id", "fingerprint"],
    "dead": ["image_id", "fingerprint", "retryable", "redrive_count", "first_attempt_at", "last_attempt_at"],
}


def _ids(table: pa.Table) -> list[tuple]:
    return [(image_id,) for image_id in table["image_id"].to_pylist()]


def _journalled(table: pa.Table, path: str, offset: int) -> list[tuple]:
    ids, fingerprints = table["image_id"].to_pylist(), table["fingerprint"].to_pylist()
    return [
        (image_id, fingerprint, path, offset + row)
        for row, (image_id, fingerprint) in enumerate(zip(ids, fingerprints, strict=False))
    ]


def _dead(table: pa.Table) -> list[tuple]:
    first, last = (table[name].cast(pa.int64()).to_pylist() for name in ("first_attempt_at", "last_attempt_at"))
    columns = zip(
        table["retryable"].to_pylist(),
        table["redrive_count"].to_pylist(),
        first,
        (at or 0 for at in last),
        strict=False,
    )
    return list(zip(table["image_id"].to_pylist(), (KnownDead(*values) for values in columns), strict=False))


def _by_shard(kind: str, rows: list[tuple]) -> Iterator[tuple[str, Block]]:
    shards: dict[str, list[tuple]] = {}
    for row in rows:
        shards.setdefault(shard_of(row[0]), []).append(row)
    for shard, block in shards.items():
        yield shard, Block(kind, block)
