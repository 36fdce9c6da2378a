"""Single files on any Beam file system: opened, read, and written whole or not at all. For many, see `many.py`.

Paths are literal: only `iterate_files` takes a pattern.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ...schemas import PARQUET_WRITE_OPTIONS
from .gcs_access import go_anonymous_with_an_emulator
from .schemes import scheme_of
from .store import Found, store_of

_OBJECT_STORES = ("gs", "s3", "azfs")
_WILDCARD = re.compile(r"[\[*?]")

go_anonymous_with_an_emulator()


def open_bytes(path: str) -> BinaryIO:
    """Opens a file for reading, as it is: nothing is decompressed by its name."""
    return store_of(path).open(path)


def read_first(path: str, most: int) -> tuple[bytes, str | None]:
    """The first bytes of a file, `most` of them, and its etag (`Found`)."""
    return store_of(path).read_first(path, most)


def join(base: str, *parts: str) -> str:
    """A path below `base`, which may be a URL."""
    return posixpath.join(base, *parts)


def write_whole(path: str, data: bytes) -> None:
    """Writes a file that other readers see whole or not at all, over whatever is there."""
    store_of(path).put(path, data)


def write_table(path: str, table: pa.Table) -> None:
    """Writes one Parquet file, whole or not at all."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **PARQUET_WRITE_OPTIONS)
    write_whole(path, buffer.getvalue())


@contextmanager
def open_parquet(path: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file that is read here.

    Raises:
      OSError: it cannot be opened, is damaged, or lacks a column that is looked for.
    """
    with open_bytes(path) as file:
        try:
            yield pq.ParquetFile(file, pre_buffer=False)
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            raise OSError(f"{path!r} is no whole Parquet file: {error}") from error
        except KeyError as error:
            raise OSError(f"{path!r} is another table: {error.args[0]}") from error


def read_table(path: str, columns: list[str] | None = None) -> pa.Table:
    """Reads one Parquet file.

    Not by `pq.read_table`: a thread of its own may still hold the file, a Python object, when the interpreter ends, and
    then the process is aborted.
    """
    with open_parquet(path) as file:
        return file.read(columns)


def read_json(path: str) -> dict[str, Any]:
    """Reads a JSON file."""
    with open_bytes(path) as file:
        return json.load(file)


def create(path: str) -> BinaryIO:
    """Opens a new file for writing, with its folder."""
    return store_of(path).open_new(path)


def iterate_files(pattern: str) -> Iterator[Found]:
    """The files that match, one at a time: of a listing, one page is held."""
    from apache_beam.io.filesystems import FileSystems

    if scheme_of(pattern) not in _OBJECT_STORES:
        for file in FileSystems.match([pattern])[0].metadata_list:
            yield Found(file.path, file.size_in_bytes, file.last_updated_in_seconds)
    elif _WILDCARD.search(pattern):
        listed = store_of(pattern).listing(_WILDCARD.split(pattern, maxsplit=1)[0])
        yield from FileSystems.get_filesystem(pattern).match_files(listed, pattern)
    elif found := store_of(pattern).find(pattern):
        yield found


def exists(path: str) -> bool:
    """Whether there is a file at `path`."""
    return store_of(path).find(path) is not None
