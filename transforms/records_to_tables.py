"""`RecordsToTables`: single records (dead letters, deferred images) become fewer, larger elements: Arrow tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa

from ..schemas import TABLES
from .windowing import windowed

ROWS = 1000

TableRows = tuple[str, pa.Table]


class RecordsToTables(beam.PTransform):
    """PCollection of records of `schemas.outcomes` -> PCollection of `(table name, pa.Table)`, each of one window.

    Each record says which table it belongs to: dead letters and deferred images may come together.
    """

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        return records | beam.ParDo(_CollectRows())


class _CollectRows(beam.DoFn):
    def start_bundle(self) -> None:
        self._rows: dict[tuple[str, Any], list[Any]] = {}

    def process(self, record: Any, window: Any = beam.DoFn.WindowParam) -> Iterator[TableRows]:
        key = record.table, window
        rows = self._rows.setdefault(key, [])
        rows.append(record)
        if len(rows) >= ROWS:
            yield record.table, TABLES[record.table].to_table(self._rows.pop(key))

    def finish_bundle(self) -> Iterator[Any]:
        for (table, window), rows in self._rows.items():
            yield windowed((table, TABLES[table].to_table(rows)), window)
