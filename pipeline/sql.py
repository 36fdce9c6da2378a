"""`image-analysis-beam sql OUT ["select …"]`: SQL over the views of an output folder."""

from __future__ import annotations

import sys
import tempfile
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import duckdb

from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.files.local import LocalStore
from ..transforms.prices import read_prices
from .arguments import Parser, wrapped
from .manifests import as_it_was_written
from .terminal import out, say
from .views.database import Folder, opened, write
from .views.definitions import VIEWS
from .views.text import json_text, table_text

_DESCRIPTION = "SQL (DuckDB) over the views of an output folder; they hold committed runs and newest answers."
_HISTORY = "History is below raw., as raw.tags: the rows of all committed runs."
_AT_ONCE = 1000  # rows
_PROMPT = "sql> "
_OF_FILES = (duckdb.InvalidInputException, duckdb.Error, RuntimeError)  # perhaps, and without a name


def main(argv: list[str]) -> int:
    """Prints what a query finds, or writes a database; returns the exit code.

    Raises:
      ConfigurationError: there is no committed run in the folder; the query cannot be answered, or the prices not read.
    """
    parser = Parser(
        prog="image-analysis-beam sql",
        description=wrapped(_DESCRIPTION),
        epilog=views_help(),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("output", help="the output folder of the job")
    parser.add_argument("query", nargs="?", help="left out: queries come from standard input")
    parser.add_argument("--write", metavar="FILE", help="make a DuckDB database with the views, for other programs")
    parser.add_argument("--json", action="store_true", help="print a JSON list of rows")
    parser.add_argument("--prices", help="JSON file with prices per 1 000 transactions, by feature, for cost and runs")
    given = parser.parse_intermixed_args(argv)
    folder = Folder(given.output, prices=read_prices(given.prices))
    if given.write:
        _write(folder, given.write)
    if given.query:
        answer(folder, given.query, given.json)
    elif not given.write:
        _answer_all(folder, given.json)
    return 0


def answer(folder: Folder, query: str, as_json: bool = False) -> None:
    """Prints what a query finds.

    Raises:
      ConfigurationError: it cannot be answered.
    """
    with told(query, folder), as_it_was_written(folder.layout.output), opened(folder, query) as connection:
        result = connection.execute(query)
        names = [name for name, *_ in result.description or ()]
        if as_json:
            out(json_text(names, result.fetchall()))
            return
        for text in table_text(names, _rows(result)):
            out(text)


@contextmanager
def told(query: str, folder: Folder) -> Iterator[None]:
    """What DuckDB does not understand, in one line; what it cannot read is an `OSError` that names the file."""
    try:
        yield
    except (duckdb.Error, RuntimeError) as error:  # the latter where it cannot tell what it has read
        line, may_be_damage = _line(error), type(error) in _OF_FILES
        names_a_file = folder.layout.output in line
        if may_be_damage and not names_a_file:
            folder.read_through(query)
        if isinstance(error, duckdb.IOException) or (may_be_damage and names_a_file):
            raise OSError(line) from None
        if isinstance(error, RuntimeError):
            raise
        raise ConfigurationError(f"query {_short(query)!r}", line, f"the views: {', '.join(VIEWS)}") from None


def views_help() -> str:
    """The views with what they hold."""
    lines = [wrapped(f"  {name:<15} {view.description}", indent=18) for name, view in VIEWS.items()]
    return "\n".join(["views:", *lines, "", wrapped(_HISTORY)])


def _answer_all(folder: Folder, as_json: bool) -> None:
    if sys.stdin is None:
        raise ConfigurationError(
            "no query", "standard input, where it would come from, is closed", "name one after OUT"
        )
    if not sys.stdin.isatty():
        for query in filter(str.strip, sys.stdin.read().split(";\n")):
            answer(folder, query, as_json)
        return
    say(views_help())
    while True:
        try:
            query = input(_PROMPT).strip()
        except EOFError:
            return
        if query:
            try:
                answer(folder, query, as_json)
            except (ConfigurationError, OSError) as error:
                say(str(error))


def _write(folder: Folder, path: str) -> None:
    """Whole or not at all, and over nothing that came there meanwhile."""
    is_there = Path(path).exists()
    if not is_there:
        with tempfile.TemporaryDirectory() as drafts:
            draft = Path(drafts) / Path(path).name  # the database is called by it
            with told(f"--write {path}", folder), as_it_was_written(folder.layout.output):
                write(folder, str(draft))
            with draft.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as whole:
                is_there = not LocalStore().create(str(Path(path)), whole)
    if is_there:
        raise ConfigurationError(f"write {path!r}", "it is there already", "remove it, or name another file")
    out(f"written: {path}")


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while rows := result.fetchmany(_AT_ONCE):
        yield rows


def _line(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())


def _short(query: str) -> str:
    line = " ".join(query.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
