"""`ReadImageUris`: lists of URIs in text, CSV, JSON Lines or Parquet, and globs of image files."""

from __future__ import annotations

import csv
import glob
import io
import json
import posixpath
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.coders import BytesCoder
from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.filesystems import FileSystems

from .endpoint.errors import ConfigurationError
from .endpoint.uri import ImageRef
from .storage import iterate_files, open_bytes

FORMATS = {
    ".txt": "text",
    "": "text",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
DEFAULT_COLUMN = "uri"
_BOM = "\ufeff"
_PARQUET_BATCH = 10_000


class ReadImageUris(beam.PTransform):
    """PBegin -> PCollection of `ImageRef`, one per line, row or file.

    Args:
      lists: patterns of list files. The ending tells the format: `.txt` (one URI a line, blank lines are
        ignored), `.csv` (with a header), `.jsonl` (an object a line), `.parquet`.
      images: patterns of image files; each file is an image.
      uri_column: where the URI stands in CSV, JSON Lines and Parquet.

    A row without a URI, or a line that is not what the format says, becomes a reference that fails as `invalid_uri`:
    it is counted, never dropped.

    Raises:
      ConfigurationError: nothing is to be read, a pattern matches no file, or a list has no such column.
    """

    def __init__(self, lists: Sequence[str] = (), images: Sequence[str] = (), uri_column: str = DEFAULT_COLUMN) -> None:
        super().__init__()
        if not lists and not images:
            raise ConfigurationError("no input", "something has to be analyzed", "set --input or --images")
        for pattern in [*lists, *images]:
            _check_pattern(pattern)
        for pattern in lists:
            _check_list(pattern, uri_column)
        self._lists, self._images = list(map(_with_folder, lists)), list(map(_with_folder, images))
        self._uri_column = uri_column

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        sources = []
        if self._lists:
            sources.append(begin | "Lists" >> _ReadLists(self._lists, self._uri_column))
        if self._images:
            patterns = begin | "Images" >> beam.Create(self._images, reshuffle=False)
            sources.append(patterns | "ListImages" >> beam.FlatMap(_image_files))
        return sources | beam.Flatten() if len(sources) > 1 else sources[0]

    def display_data(self) -> dict[str, object]:
        return {
            "lists": ",".join(self._lists),
            "images": ",".join(self._images),
            "uri_column": self._uri_column,
        }


class _ReadLists(beam.PTransform):
    def __init__(self, patterns: list[str], uri_column: str) -> None:
        super().__init__()
        self._patterns, self._uri_column = patterns, uri_column

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        by_format: dict[str, list[str]] = {}
        for pattern in self._patterns:
            by_format.setdefault(list_format(pattern), []).append(pattern)
        readers = {
            "text": lambda lines: lines | "Refs" >> beam.FlatMap(_from_text_line),
            "jsonl": lambda lines: lines | "Refs" >> beam.FlatMap(_from_json_line, self._uri_column),
        }
        refs = []
        for name, patterns in by_format.items():
            begun = begin | f"Patterns {name}" >> beam.Create(patterns, reshuffle=False)
            if name in readers:
                paths = begun | f"Paths {name}" >> beam.FlatMap(_paths)
                lines = paths | f"Lines {name}" >> beam.io.ReadAllFromText(coder=BytesCoder())
                refs.append(readers[name](lines))
            else:
                rows = _from_csv if name == "csv" else _from_parquet
                files = begun | f"Files {name}" >> beam.FlatMap(_paths) | f"Spread {name}" >> beam.Reshuffle()
                refs.append(files | f"Rows {name}" >> beam.FlatMap(rows, self._uri_column))
        return refs | beam.Flatten() if len(refs) > 1 else refs[0]


def list_format(path: str) -> str:
    """The format of a list file by its ending.

    Raises:
      ConfigurationError: the ending is not known.
    """
    ending = posixpath.splitext(path)[1].lower()
    if ending not in FORMATS:
        raise ConfigurationError(
            f"input {path!r}",
            f"a list ends in {', '.join(filter(None, FORMATS))}",
            "for image files use --images",
        )
    return FORMATS[ending]


def _with_folder(pattern: str) -> str:
    """Beam matches nothing in the working folder unless the pattern names a folder."""
    return pattern if posixpath.dirname(pattern) or not glob.has_magic(pattern) else f"./{pattern}"


def _check_pattern(pattern: str) -> None:
    try:
        found = bool(FileSystems.match([_with_folder(pattern)], limits=[1])[0].metadata_list)
    except Exception as error:
        raise ConfigurationError(
            f"input {pattern!r}",
            f"it cannot be listed ({type(error).__name__})",
            "check the path and your rights",
        ) from None
    if not found:
        raise ConfigurationError(f"input {pattern!r}", "it matches no file", "check the path and the pattern")


def _check_list(pattern: str, uri_column: str) -> None:
    kind = list_format(pattern)
    if kind not in ("csv", "parquet"):
        return
    path = next(_paths(_with_folder(pattern)))
    with open_bytes(path) as file:
        columns = _csv_columns(file) if kind == "csv" else pq.read_schema(file).names
    if uri_column not in columns:
        raise ConfigurationError(
            f"uri_column {uri_column!r}",
            f"{path} has the columns {', '.join(columns)}",
            "set --uri_column to one of them",
        )


def _csv_columns(file: BinaryIO) -> list[str]:
    with io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="") as text:
        return next(csv.reader(text), [])


def _paths(pattern: str) -> Iterator[str]:
    return (metadata.path for metadata in iterate_files(pattern))


def _image_files(pattern: str) -> Iterator[ImageRef]:
    metadata: FileMetadata
    for metadata in iterate_files(pattern):
        yield ImageRef.of(metadata.path)


def _from_text_line(line: bytes) -> Iterator[ImageRef]:
    text = line.decode("utf-8", "surrogateescape").lstrip(_BOM).strip()
    if text:
        yield ImageRef.of(text)


def _from_json_line(line: bytes, column: str) -> Iterator[ImageRef]:
    text = line.decode("utf-8", "surrogateescape").lstrip(_BOM).strip()
    if not text:
        return
    try:
        uri = json.loads(text)[column]
    except (ValueError, LookupError, TypeError, RecursionError):
        uri = None
    yield ImageRef.of(uri if isinstance(uri, str) else "")


def _from_csv(path: str, column: str) -> Iterator[ImageRef]:
    with open_bytes(path) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        for row in csv.DictReader(text):
            yield ImageRef.of((row.get(column) or "").strip())


def _from_parquet(path: str, column: str) -> Iterator[ImageRef]:
    with open_bytes(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(_PARQUET_BATCH, columns=[column]):
            for uri in batch.column(0).to_pylist():
                yield ImageRef.of(uri.strip() if isinstance(uri, str) else "")
