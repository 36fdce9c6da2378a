"""DuckDB over an output folder: the views that a query names, over the files that the manifests name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ...schemas import TABLES
from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.files.many import read_many
from ...transforms.files.rows import read_rows
from ...transforms.files.schemes import scheme_of
from ...transforms.ledger.layout import Layout
from ...transforms.ledger.log import committed_runs
from ...transforms.prices import Prices
from ..manifests import Manifest, read_manifests
from ..paths import output_folder
from .definitions import VIEWS
from .known import known_tables

_ROWS_AT_ONCE = 10_000
_TYPES = {"int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN"}


class Folder:
    """The committed runs of an output folder; with `until`, as it was when that run was committed.

    `prices`: what its runs cost is counted at these, and not at those of each run.

    Raises:
      ConfigurationError: there is none, or none of that name, or a manifest is damaged.
    """

    def __init__(self, output: str, until: str | None = None, prices: Prices | None = None) -> None:
        self.prices = prices
        self.layout = Layout(output_folder(output))
        if scheme_of(self.layout.output) is None:
            self.layout = Layout(str(Path(self.layout.output).absolute()))
        self._runs = committed_runs(self.layout)
        if not self._runs:
            raise ConfigurationError(f"output {output!r}", "it holds no committed run", "run the job first")
        if until is not None:
            if until not in self._runs:
                rule, fix = f"{output} holds no such committed run", f"try {self._runs[-1]}"
                raise ConfigurationError(f"run {until!r}", rule, fix)
            self._runs = self._runs[: self._runs.index(until) + 1]

    def is_as_it_was(self) -> bool:
        """Whether no run was committed meanwhile; of a folder without `until`."""
        return committed_runs(self.layout) == self._runs

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """By run, oldest first."""
        return read_manifests(self.layout, self._runs)

    def as_of(self, run_id: str) -> Folder:
        """The folder as it was when one of its runs was committed."""
        earlier = copy(self)
        earlier._runs = self._runs[: self._runs.index(run_id) + 1]
        earlier.manifests = {name: self.manifests[name] for name in earlier._runs}
        return earlier

    def newest(self) -> Manifest:
        """The manifest of the newest run, without reading the others."""
        return read_manifests(self.layout, self._runs[-1:])[self._runs[-1]]

    def files(self, table: str) -> list[str]:
        """The files of a table that committed runs name, the newest first."""
        entries = (manifest["tables"].get(table, {}) for manifest in self.manifests.values())
        return [self.layout.path(name) for entry in entries for name in entry.get("files", ())][::-1]

    def read_through(self, text: str) -> None:
        """Reads the files that a query stands on, or all.

        Raises:
          OSError: one is not whole, or another table; it names the first.
        """
        for table in TABLES:
            for path in self.files(table) if f"raw.{table}" in _mentioned(text) else ():
                for _ in read_rows(path, TABLES[table], _ROWS_AT_ONCE):
                    pass


@contextmanager
def opened(
    folder: Folder,
    text: str | None = None,
    only: Iterable[str] | None = None,
    kept: Collection[str] = (),
    config: dict[str, Any] | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the views that a query's text names; with all where it names none, or there is no text.

    `only`: ids of the images that there are rows of; whatever the folder holds, that takes little memory.
    `kept`: views that many queries stand on: they are computed once. `config`: settings of DuckDB.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(duckdb.connect(config=config or {}))
        connection.execute("SET TimeZone='UTC'; SET enable_progress_bar=false;")
        fetched = stack.enter_context(tempfile.TemporaryDirectory()) if scheme_of(folder.layout.output) else None
        names = _mentioned(text) if text else _all()
        create(connection, folder, names, fetched, None if only is None else list(only), kept)
        yield connection


def write(folder: Folder, path: str) -> None:
    """Makes a database file with all views, over the files where they are; of a store, with copies of their rows."""
    if scheme_of(folder.layout.output) is None:
        with duckdb.connect(path) as connection:
            create(connection, folder, _all())
        return
    with opened(folder) as connection:
        connection.execute("ATTACH '{}' AS written".format(path.replace("'", "''")))
        for name in VIEWS:
            connection.execute(f"CREATE TABLE written.main.{name} AS FROM {name}")


def create(
    connection: duckdb.DuckDBPyConnection,
    folder: Folder,
    names: set[str],
    fetched: str | None = None,
    only: list[str] | None = None,
    kept: Collection[str] = (),
) -> None:
    """Creates views, and the tables that they stand on. `fetched`: a folder for copies of what is not on a disk.

    Those of `kept` are made tables.
    """
    connection.execute("CREATE SCHEMA IF NOT EXISTS raw; CREATE SCHEMA IF NOT EXISTS known;")
    if any(name.startswith("known.") for name in names):
        for name, table in known_tables(folder.layout, folder.manifests, folder.prices).items():
            connection.register("rows_of_manifests", table)
            connection.execute(f"CREATE TABLE known.{name} AS FROM rows_of_manifests")
            connection.unregister("rows_of_manifests")
    for name in TABLES:
        if f"raw.{name}" in names:
            files = folder.files(name)
            rows = _raw(name, _on_a_disk(files, fetched) if fetched else files)
            connection.execute(f"CREATE VIEW raw.{name} AS {rows}{_of_images(name, only)}")
    for name in _in_order(names):
        connection.execute(f"CREATE {'TABLE' if name in kept else 'VIEW'} main.{name} AS {VIEWS[name].sql}")


def _all() -> set[str]:
    return {*VIEWS, *(f"raw.{name}" for name in TABLES), "known.runs"}


def _mentioned(text: str) -> set[str]:
    """What a query names, with all that this stands on; everything where it names nothing."""
    names = _named_in(text)
    while more := {other for name in names if name in VIEWS for other in _named_in(VIEWS[name].sql)} - names:
        names |= more
    return names or _all()


def _named_in(text: str) -> set[str]:
    words = {word.lower() for word in re.findall(r"(?:\b(?:raw|known)\s*\.\s*)?\w+", text)}
    words = {re.sub(r"\s", "", word) for word in words}
    raw = {word for word in words if word.startswith("raw.") and word[4:] in TABLES}
    return raw | {word for word in words if word.startswith("known.")} | words.intersection(VIEWS)


def _in_order(names: set[str]) -> list[str]:
    """Views after those that they stand on."""
    done: list[str] = []

    def visit(name: str) -> None:
        for other in sorted(_named_in(VIEWS[name].sql) & VIEWS.keys() - {name}):
            visit(other)
        if name not in done:
            done.append(name)

    for name in sorted(names & VIEWS.keys()):
        visit(name)
    return done


def _raw(table: str, files: list[str]) -> str:
    """The rows of files of any version: columns that a file lacks are null, others are left out."""
    schema = TABLES[table].schema
    columns = ", ".join(f'"{name}"' for name in schema.names)
    empty = ", ".join(f'NULL::{_type(field.type)} AS "{field.name}"' for field in schema)
    if not files:
        return f"SELECT {columns} FROM (SELECT {empty} WHERE false)"
    named = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
    read = f"read_parquet([{named}], union_by_name = true, hive_partitioning = false)"
    return f"SELECT {columns} FROM (SELECT {empty} WHERE false UNION ALL BY NAME SELECT * FROM {read})"


def _of_images(table: str, only: list[str] | None) -> str:
    """The condition that a row is of one of these images; of the lists, also who else had an id of these."""
    if only is None:
        return ""
    ids = ", ".join("'" + one.replace("'", "''") + "'" for one in only) or "NULL"
    columns = ("image_id", "line_id", "former_id") if table == "inputs" else ("image_id",)
    return f" WHERE {' OR '.join(f'{column} IN ({ids})' for column in columns)}"


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{field.name}" {_type(field.type)}' for field in kind) + ")"
    return "TIMESTAMP WITH TIME ZONE" if pa.types.is_timestamp(kind) else _TYPES[str(kind)]


def _on_a_disk(files: Iterable[str], folder: str) -> list[str]:
    paths = []
    for number, content in enumerate(read_many(files)):
        path = Path(tempfile.mkdtemp(dir=folder)) / f"{number}.parquet"
        path.write_bytes(content or b"")
        paths.append(str(path))
    return paths
