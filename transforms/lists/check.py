"""Whether a list can be read, before anything is spent: its beginning is looked at, and its columns."""

from __future__ import annotations

import io
import posixpath
import shlex
from collections.abc import Iterable
from itertools import islice

import pyarrow.parquet as pq

from ..endpoint.errors import ConfigurationError
from .columns import DEFAULT_COLUMN, check_type, column_index
from .csv_rows import CsvRows
from .files import GZIP_MAGIC, ListFile, is_gzipped, list_format, opened, unreadable
from .parsers import decoded, header_of, lines
from .references import STANDARD_INPUT

FIRST_LINES = 1000
_FIRST_BYTES = 1024 * 1024
_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def check_column_is_used(files: Iterable[ListFile], column: str) -> None:
    """Refuses a column that is named although none of the lists has columns.

    Raises:
      ConfigurationError: so it is.
    """
    if column != DEFAULT_COLUMN and all(list_format(file.name) == "text" for file in files):
        rule, fix = "no list of the input has columns", "leave it out, or name a .csv, .jsonl or .parquet list"
        raise ConfigurationError(f"uri_column {column!r}", rule, fix)


def check_list(file: ListFile, column: str) -> None:
    """Looks at the beginning of a list: its first 1 000 lines, or the schema of a Parquet file.

    One that is compressed is read to its end: nothing else tells whether it is whole.

    Raises:
      ConfigurationError: it cannot be opened, is no text in UTF-8 by more than half of its lines, has lines that end
        in CR alone, or lacks the column.
    """
    kind = list_format(file.name)
    try:
        with opened(file) as stream:
            schema = pq.read_schema(stream) if kind == "parquet" else None
            head = b"" if schema else stream.read(_FIRST_BYTES)
            while is_gzipped(file.name) and stream.read(_FIRST_BYTES):
                pass
    except Exception as error:
        raise unreadable(file, "it cannot be read", error) from None
    if schema is not None:
        check_type(file.name, schema.field(column_index(file.name, schema.names, column)))
        return
    _check_encoding(file, head)
    if kind == "csv":
        header = header_of(CsvRows((number, decoded(line)) for number, line in lines(io.BytesIO(head))))
        if header is not None:
            column_index(file.name, header, column)


def _check_encoding(file: ListFile, head: bytes) -> None:
    marked = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)
    if marked:
        raise _not_utf_8(file, f"it begins with the byte order mark of {marked}", marked)
    if head.startswith(GZIP_MAGIC):
        raise ConfigurationError(f"input {file.name!r}", "it is compressed with gzip", f"name it {file.name}.gz")
    if b"\r" in head.strip() and b"\n" not in head:
        raise _to_convert(file, "its lines end in CR alone, as in files of old Macs", "tr '\\r' '\\n'", "lf")
    lines_of_head = head.split(b"\n")
    if len(head) == _FIRST_BYTES:
        lines_of_head.pop()  # it may end within a character
    first = list(islice(filter(bytes.strip, lines_of_head), FIRST_LINES))
    if 2 * sum(b"\0" in line for line in first) > len(first):
        order = "LE" if head[1::2].count(0) > head[::2].count(0) else "BE"
        raise _not_utf_8(file, "most of its lines hold zeros, as UTF-16 has them", f"UTF-16{order}")
    bad = sum(map(_is_not_utf_8, first))
    if 2 * bad > len(first):
        rule = f"{bad} of its first {len(first)} lines are not UTF-8: it is of another encoding, or no text"
        raise _not_utf_8(file, rule, "LATIN1")


def _is_not_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return True
    return False


def _not_utf_8(file: ListFile, rule: str, encoding: str) -> ConfigurationError:
    return _to_convert(file, rule, f"iconv -f {encoding} -t UTF-8", "utf8")


def _to_convert(file: ListFile, rule: str, command: str, mark: str) -> ConfigurationError:
    stem, ending = posixpath.splitext(file.name.removesuffix(".gz"))
    source, target = shlex.quote(file.name), shlex.quote(f"{stem}.{mark}{ending}")
    if file.name == STANDARD_INPUT:
        fix = f"pipe it through {command}"
    elif is_gzipped(file.name):
        fix = f"convert it: gzip -dc {source} | {command} > {target}"
    else:
        fix = f"convert it: {command} < {source} > {target}"
    return ConfigurationError(f"input {file.name!r}", rule, fix)
