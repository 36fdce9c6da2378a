"""`image-analysis-beam show OUT`: the tables of the last committed run, a few rows of each."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..transforms import storage
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.layout import Layout

ROWS = 4
_WIDTH = 44
_HIDDEN = {"image_id", "fingerprint", "run_id", "request_id", "body", "tags", "id", "spans", "polygon"}


def main(argv: list[str]) -> int:
    """Prints the tables; returns the exit code.

    Raises:
      ConfigurationError: there is no committed run in the folder.
    """
    parser = argparse.ArgumentParser(prog="image-analysis-beam show", description="A few rows of each table.")
    parser.add_argument("output", help="the output folder of the job")
    try:
        output = parser.parse_args(argv).output
    except SystemExit as end:
        return int(end.code or 0)
    layout = Layout(output.rstrip("/"))
    runs = layout.committed_runs()
    if not runs:
        raise ConfigurationError(f"output {output!r}", "it holds no committed run", "run the job first")
    manifest = storage.read_json(layout.manifest(runs[-1]))
    for name, entry in manifest["tables"].items():
        print(f"\n{name}: {entry['rows']} rows in {layout.partition(name, runs[-1])}")
        if entry["rows"] and name != "responses":
            print("\n".join(_lines(_first_rows(layout.output, entry["files"]))))
    return 0


def _first_rows(output: str, files: Iterable[str]) -> pa.Table:
    tables: list[pa.Table] = []
    for name in files:
        with storage.open_bytes(storage.join(output, name)) as file:
            tables.append(pq.read_table(file).slice(0, ROWS))
    return pa.concat_tables(tables).slice(0, ROWS)


def _lines(table: pa.Table) -> list[str]:
    columns = [name for name in table.schema.names if name not in _HIDDEN][:8]
    rows = [columns, *([_shown(name, row[name]) for name in columns] for row in table.to_pylist())]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _shown(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = " ".join(str(", ".join(value) if isinstance(value, list) else value).split())
    if len(text) <= _WIDTH:
        return text
    return f"…{text[1 - _WIDTH :]}" if name == "image_uri" else f"{text[: _WIDTH - 1]}…"
