"""What the report reads: an output folder as it was when a run was committed, through the views of `sql`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb

from ...transforms.endpoint.errors import ConfigurationError
from ..manifests import Manifest
from ..views.database import Folder, opened
from ..views.text import as_dicts
from .layers import NAMED, PLACED, TOLD

_THREADS = 4
_MEMORY = "320MB"  # beyond it DuckDB goes on in temporary files
_SECTIONS = [*TOLD, *NAMED, *PLACED]
_READ = ["images", *_SECTIONS, "outcomes", "failures", "inputs", "answers", "former", "runs", "cost"]
_KEPT = ("inputs", "former", "answers", "images", "failures", "outcomes")

# The run's lists, and the images in them; of a folder whose runs do not say them, all.
_LISTS = """
CREATE TABLE lists AS
SELECT DISTINCT list FROM known.lists SEMI JOIN (SELECT DISTINCT list FROM inputs) read USING (list) WHERE run_id = $run
"""
_SCOPE = """
CREATE TABLE scope AS
SELECT DISTINCT image_id FROM inputs SEMI JOIN lists USING (list) WHERE image_id IS NOT NULL
UNION
SELECT image_id FROM images WHERE NOT EXISTS (FROM lists)
"""

# The open failures of these lists, each with the first line that names its image.
_OPEN = """
CREATE TABLE open AS
SELECT f.*, l.list, l.position, l.given
FROM failures f
LEFT JOIN (
    SELECT image_id, list, position, coalesce(uri, raw) AS given
    FROM outcomes SEMI JOIN lists USING (list)
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY list, position) = 1
) l USING (image_id)
WHERE l.list IS NOT NULL OR NOT EXISTS (FROM lists)
"""


class Reading(NamedTuple):
    """An open folder. `run` is the one that is reported, the newest of it; `scope` the images of its lists."""

    folder: Folder
    run: Manifest
    connection: duckdb.DuckDBPyConnection

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        return self.connection.execute(query, values or None).fetchall()

    def dicts(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """The rows by the names of their columns."""
        result = self.connection.execute(query, values or None)
        return as_dicts([name for name, *_ in result.description or ()], result.fetchall())

    def held(self) -> set[str]:
        """The tables that have any row."""
        runs = self.folder.manifests.values()
        return {name for manifest in runs for name, entry in manifest["tables"].items() if entry["rows"]}

    def row(self, query: str, **values: Any) -> tuple[Any, ...]:
        """The one row of a query."""
        return self.rows(query, **values)[0]


@contextmanager
def read(folder: Folder) -> Iterator[Reading]:
    """Opens the folder; what several questions stand on is computed once."""
    text = " ".join(_READ)
    with tempfile.TemporaryDirectory() as spill, opened(folder, text, None, _KEPT, _config(spill)) as connection:
        reading = Reading(folder, list(folder.manifests.values())[-1], connection)
        _check(reading)
        reading.rows(_LISTS, run=reading.run["run_id"])
        for table in (_SCOPE, _OPEN):
            reading.rows(table)
        yield reading


def _config(spill: str) -> dict[str, Any]:
    threads = min(_THREADS, os.cpu_count() or 1)
    return {"memory_limit": _MEMORY, "threads": threads, "temp_directory": spill, "preserve_insertion_order": False}


def _check(reading: Reading) -> None:
    """Raises where a file holds another table: all its columns are null then."""
    for table in {"images", *_SECTIONS} & reading.held():
        if reading.row(f"SELECT count(*) FROM raw.{table} WHERE image_id IS NULL")[0]:
            reading.folder.read_through(f"raw.{table}")
            where = reading.folder.layout.path(table)
            raise ConfigurationError(f"table {where}", "a file of it is another table", "restore it from a copy")


def open_failures(folder: Folder) -> dict[str, str]:
    """What was open in a folder: reasons by image id."""
    with opened(folder, "failures") as connection:
        return dict(connection.execute("SELECT image_id, reason FROM failures").fetchall())
