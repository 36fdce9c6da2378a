"""Fewer, larger elements: single records (dead letters, deferred images) as Arrow tables, lists of images as bytes."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from ..schemas import TABLES

ROWS = 1000

TableRows = tuple[str, pa.Table]


def at_end_of_bundle(value: Any) -> Any:
    """What `finish_bundle` has to emit a value as, tagged or not, in a batch pipeline."""
    if isinstance(value, TaggedOutput):
        return TaggedOutput(value.tag, at_end_of_bundle(value.value))
    return WindowedValue(value, GlobalWindow().max_timestamp(), (GlobalWindow(),))


def pack(value: Any) -> bytes:
    """Many small objects as one: what a runner in memory holds between stages, it then holds as a few bytes."""
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), level=1)


def unpack(packed: bytes) -> Any:
    """What was packed."""
    return pickle.loads(zlib.decompress(packed))


class RecordsToTables(beam.PTransform):
    """PCollection of records of one table -> PCollection of `(table name, pa.Table)`.

    Args:
      table: a record table of `schemas.TABLES`: `responses`, `dead_letters`, `deferred` or `duplicates`.
    """

    def __init__(self, table: str) -> None:
        super().__init__()
        self._table = table

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        return records | beam.ParDo(_CollectRows(self._table))


class _CollectRows(beam.DoFn):
    def __init__(self, table: str) -> None:
        self._table = table

    def start_bundle(self) -> None:
        self._rows: list[Any] = []

    def process(self, record: Any) -> Iterator[TableRows]:
        self._rows.append(record)
        if len(self._rows) >= ROWS:
            yield self._take()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._rows:
            yield at_end_of_bundle(self._take())

    def _take(self) -> TableRows:
        rows, self._rows = self._rows, []
        return self._table, TABLES[self._table].to_table(rows)
