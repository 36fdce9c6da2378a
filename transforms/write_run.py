"""`WriteRun`: what a run came to becomes tables and a manifest: flattened, written, accounted for, committed."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import apache_beam as beam

from ..schemas import SCHEMA_VERSION, TABLES
from .account_run import FILES, AccountRun, count_record
from .flatten_sections import FlattenSections
from .prices import Prices
from .records_to_tables import RecordsToTables
from .write_tables import WriteTables

ANSWERS, RECORDS, ROWS, COUNTS = "answers", "records", "rows", "counts"


def facts_of_now() -> dict[str, Any]:
    """What each manifest says of a run that begins now: when that is, and the versions of what shapes the tables."""
    packages = {name: version(name) for name in ("image-analysis-beam", "apache-beam", "pyarrow")}
    return {
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "schema_version": SCHEMA_VERSION,
        "versions": packages | {"python": platform.python_version()},
    }


class WriteRun(beam.PTransform):
    """dict of tuples of PCollections -> PCollection with the manifest (a dict).

    Takes `answers` (`pa.Table`, schema of `responses`), `records` (`DeadLetter`, `Deferred`), `rows`
    (`(table name, pa.Table)`) and `counts` (dicts to add up). Every table is written, also one without rows.

    Nothing large is flattened from several stages: a runner in memory would hold it all between them. Branches are
    written on their own, and only counts and file names come together.

    Args:
      output, run_id, facts: as of `AccountRun`.
      prices: as of `AccountRun`.
    """

    def __init__(self, output: str, run_id: str, facts: Mapping[str, Any], prices: Prices | None = None) -> None:
        super().__init__()
        self._output, self._run_id, self._facts, self._prices = output, run_id, facts, prices

    def expand(self, inputs: Mapping[str, tuple[beam.PCollection, ...]]) -> beam.PCollection:
        sections = [
            answers | f"Flatten {number}" >> FlattenSections(self._run_id)
            for number, answers in enumerate(inputs[ANSWERS])
        ]
        records = [*inputs.get(RECORDS, ()), *(each["dead_letters"] for each in sections)]
        tables = [*inputs.get(ROWS, ()), *(each["tables"] for each in sections)]
        counts = [*inputs[COUNTS], *(each["counts"] for each in sections)]
        for number, rows in enumerate(records):
            tables.append(rows | f"Rows {number}" >> RecordsToTables())
            counts.append(rows | f"Count {number}" >> beam.Map(count_record))
        files = tuple(tables) | "WriteTables" >> WriteTables(self._output, self._run_id, TABLES)
        numbered = {f"counts {number}": each for number, each in enumerate(counts)}
        commit = AccountRun(self._output, self._run_id, self._facts, self._prices)
        return {FILES: files, **numbered} | "AccountRun" >> commit
