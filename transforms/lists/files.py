"""Which files are lists, by their ending, and how they are opened."""

from __future__ import annotations

import gzip
import io
import os
import posixpath
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..endpoint.errors import ConfigurationError
from ..files.storage import open_bytes
from .references import STANDARD_INPUT, escaped, shown

FORMATS = {
    ".txt": "text",
    "": "text",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_GZIP = ".gz"
GZIP_MAGIC = b"\x1f\x8b"
_BUFFER = 1024 * 1024


class ListFile(NamedTuple):
    """A list: where it is, and what it is called in messages and accounts."""

    path: str
    name: str

    @classmethod
    def at(cls, path: str) -> ListFile:
        """The list at a path."""
        return cls(path, escaped(path.removeprefix("./")))


def list_format(name: str) -> str:
    """The format of a list by its ending: `text`, `csv`, `jsonl` or `parquet`.

    Raises:
      ConfigurationError: the ending is not known.
    """
    ending = posixpath.splitext(name.lower().removesuffix(_GZIP))[1]
    if ending not in FORMATS or (is_gzipped(name) and FORMATS[ending] == "parquet"):
        endings = ", ".join(filter(None, FORMATS))
        raise ConfigurationError(
            f"input {name!r}",
            f"a list ends in {endings}, all but the last also in .gz",
            "for image files use --images",
        )
    return FORMATS[ending]


def is_gzipped(name: str) -> bool:
    """Whether the list is compressed."""
    return name.lower().endswith(_GZIP)


@contextmanager
def opened(file: ListFile) -> Iterator[BinaryIO]:
    """The list's content, buffered; decompressed where its name ends in `.gz`.

    Raises:
      OSError: it cannot be opened, or is not compressed.
    """
    with open_bytes(file.path) as raw:
        buffered: Any = io.BufferedReader(raw, _BUFFER)
        if is_gzipped(file.name):
            if not buffered.peek(2).startswith(GZIP_MAGIC):
                raise gzip.BadGzipFile("it is not compressed with gzip")
            # Not Beam's own: it takes a file that breaks off for one that ends.
            buffered = io.BufferedReader(gzip.GzipFile(fileobj=buffered), _BUFFER)
        yield buffered


def unreadable(file: ListFile, what: str, error: Exception) -> ConfigurationError:
    """The error of a list that cannot be read, with what stopped the reading."""
    why = f"{type(error).__name__}: {shown(str(error))}"
    return ConfigurationError(f"input {file.name!r}", f"{what} ({why})", "check that it is whole, and your rights")


def spool_standard_input(owner: object) -> ListFile:
    """What standard input holds, in a temporary file that is there for as long as its owner.

    Raises:
      ConfigurationError: there is no standard input.
    """
    if sys.stdin is None:
        raise ConfigurationError(f"input {STANDARD_INPUT!r}", "it is closed", "pipe a list into the command")
    with tempfile.NamedTemporaryFile(prefix="image-analysis-beam-", suffix=".txt", delete=False) as spooled:
        weakref.finalize(owner, _remove, Path(spooled.name), os.getpid())  # at the end of the process at the latest
        shutil.copyfileobj(sys.stdin.buffer, spooled)
    return ListFile(spooled.name, STANDARD_INPUT)


def _remove(spooled: Path, process: int) -> None:
    if os.getpid() == process:  # and not one that was forked from it
        spooled.unlink(missing_ok=True)
