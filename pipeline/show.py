"""`image-analysis-beam show OUT`: the tables of the last committed run, a few rows of each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import pyarrow as pa

from ..schemas import TABLES
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.files import storage
from ..transforms.files.rows import read_rows
from ..transforms.ledger.layout import Layout
from ..transforms.ledger.log import committed_runs
from .arguments import Parser
from .manifests import read_manifests
from .paths import output_folder
from .terminal import out, printable

ROWS = 4
_WIDTH = 44
_HIDDEN = {"image_id", "fingerprint", "run_id", "request_id", "body", "tags", "id", "spans", "polygon"}


def main(argv: list[str]) -> int:
    """Prints the tables; returns the exit code.

    Raises:
      ConfigurationError: there is no committed run in the folder.
    """
    parser = Parser(prog="image-analysis-beam show", description="A few rows of each table.")
    parser.add_argument("output", help="the output folder of the job")
    try:
        output = parser.parse_args(argv).output
    except SystemExit as end:
        return int(end.code or 0)
    layout = Layout(output_folder(output))
    runs = committed_runs(layout)
    if not runs:
        raise ConfigurationError(f"output {output!r}", "it holds no committed run", "run the job first")
    manifest = read_manifests(layout, runs[-1:])[runs[-1]]
    for name, entry in manifest["tables"].items():
        where = f" in {layout.partition(name, runs[-1])}" if entry["files"] else ""
        out(f"\n{name}: {entry['rows']} rows{where}")
        if entry["rows"] and name in TABLES and name != "responses":
            out("\n".join(_lines(_first_rows(layout.output, name, entry["files"]))))
    return 0


def _first_rows(output: str, table: str, files: Iterable[str]) -> pa.Table:
    rows = TABLES[table].schema.empty_table()
    for name in files:
        for more in islice(read_rows(storage.join(output, name), TABLES[table], ROWS), 1):
            rows = pa.concat_tables([rows, more])
        if rows.num_rows >= ROWS:
            break
    return rows.slice(0, ROWS)


def _lines(table: pa.Table) -> list[str]:
    columns = [name for name in table.schema.names if name not in _HIDDEN][:8]
    rows = [columns, *([_shown(name, row[name]) for name in columns] for row in table.to_pylist())]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _shown(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = printable(" ".join(str(", ".join(map(str, value)) if isinstance(value, list) else value).split()))
    if len(text) <= _WIDTH:
        return text
    return f"…{text[1 - _WIDTH :]}" if name == "image_uri" else f"{text[: _WIDTH - 1]}…"
