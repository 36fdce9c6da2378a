"""Reading lists: one parser for each format, any bytes in, an `ImageRef` for each line or row out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ..endpoint.errors import ConfigurationError
from ..endpoint.uri import ImageRef
from .columns import column_index
from .csv_rows import CsvRows
from .files import ListFile, list_format, opened, unreadable
from .references import NoUri, reference

MAX_LINE = 16 * 1024 * 1024  # bytes; the rest of a longer line is not looked at
_BOM = "\ufeff"
_PARQUET_BATCH = 10_000
_JSON_KINDS = {bool: "a boolean", int: "a number", float: "a number", dict: "an object", list: "an array"}

Parser = Callable[[BinaryIO, str, str], Iterator[ImageRef]]


def read_list(file: ListFile, column: str) -> Iterator[ImageRef]:
    """The references of a list, one at a time.

    Raises:
      ConfigurationError: it cannot be read to its end. Whoever plans before it calls has called nothing then.
    """
    position = 0
    try:
        with opened(file) as stream:
            for image in PARSERS[list_format(file.name)](stream, file.name, column):
                position = image.position
                yield image
    except ConfigurationError:
        raise
    except Exception as error:
        raise unreadable(file, f"it cannot be read beyond position {position}", error) from error


def from_text(file: BinaryIO, name: str, column: str = "") -> Iterator[ImageRef]:
    """A URI a line; blank lines are none."""
    for number, line in lines(file):
        if text := decoded(line).strip():
            yield reference(name, number, text)


def from_json_lines(file: BinaryIO, name: str, column: str) -> Iterator[ImageRef]:
    """An object a line; blank lines are none."""
    for number, line in lines(file):
        if text := decoded(line).strip():
            yield reference(name, number, _field(text, column))


def from_csv(file: BinaryIO, name: str, column: str) -> Iterator[ImageRef]:
    """A row below the header; its position is the line that it begins in. Empty lines are none."""
    rows = CsvRows((number, decoded(line)) for number, line in lines(file))
    header = header_of(rows)
    if header is None:
        return
    index = column_index(name, header, column)
    for number, row in rows:
        if isinstance(row, NoUri):
            found: str | NoUri = row
        elif rows.runs_over_lines and (len(row) != len(header) or "\n" in row[index]):
            found = rows.refuse()
        else:
            found = _cell(row, index, column)
        yield reference(name, number, found)


def header_of(rows: CsvRows) -> list[str] | None:
    """The columns of a CSV file; None if it is empty."""
    header = next(rows, (0, None))[1]
    return [] if isinstance(header, NoUri) else header and [cell.strip() for cell in header]


def from_parquet(file: BinaryIO, name: str, column: str) -> Iterator[ImageRef]:
    """A row each."""
    number = 0
    for batch in pq.ParquetFile(file, page_checksum_verification=True).iter_batches(_PARQUET_BATCH, columns=[column]):
        for value in _as_bytes(batch.column(0)).to_pylist():
            number += 1
            found = NoUri(f"{column!r} is null") if value is None else value.decode("utf-8", "surrogateescape").strip()
            yield reference(name, number, found)


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its number from 1, cut at `MAX_LINE`."""
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        yield number, line
        while len(line) == MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE)


def decoded(line: bytes) -> str:
    """A line as text; bytes that are not UTF-8 become half surrogate pairs."""
    return line.decode("utf-8", "surrogateescape").lstrip(_BOM)


def _cell(row: list[str], index: int, column: str) -> str | NoUri:
    return row[index].strip() if index < len(row) else NoUri(f"the row ends before the column {column!r}")


def _field(text: str, column: str) -> str | NoUri:
    """The URI in a line of JSON."""
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        return NoUri(f"the line is not JSON: {error.msg}, column {error.colno}", text)
    except ValueError:
        return NoUri("a number in the line is too long", text)
    except RecursionError:
        return NoUri("the line is nested too deeply", text)
    if not isinstance(row, dict):
        return NoUri("the line is not a JSON object", text)
    if column not in row:
        return NoUri(f"there is no field {column!r}", text)
    uri = row[column]
    if isinstance(uri, str):
        return uri.strip()
    return NoUri(f"{column!r} is {_JSON_KINDS.get(type(uri), 'null')}, not a text", text)


def _as_bytes(column: pa.Array) -> pa.Array:
    """A column of text as bytes: what a file holds as text need not be UTF-8."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return plain.cast(pa.large_binary())


PARSERS: dict[str, Parser] = {
    "text": from_text,
    "csv": from_csv,
    "jsonl": from_json_lines,
    "parquet": from_parquet,
}
