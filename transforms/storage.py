"""Files on any Beam file system: whole or not at all, listed in order, removed without complaint."""

from __future__ import annotations

import io
import json
import os
import posixpath
from collections.abc import Iterator
from typing import Any, BinaryIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from ..schemas import PARQUET_WRITE_OPTIONS
from . import gcs

_OBJECT_STORES = ("gs", "s3")

gcs.go_anonymous_with_an_emulator()


def open_bytes(path: str) -> BinaryIO:
    """Opens a file for reading, as it is: nothing is decompressed by its name."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def join(base: str, *parts: str) -> str:
    """A path below `base`, which may be a URL."""
    return posixpath.join(base, *parts)


def write_whole(path: str, data: bytes) -> None:
    """Writes a file that other readers see whole or not at all.

    An object store shows an object when its upload ends. Elsewhere: a temporary name beside it, then a rename.
    """
    if FileSystems.get_scheme(path) in _OBJECT_STORES:
        _write(path, data)
        return
    make_folder(posixpath.dirname(path))
    temporary = join(posixpath.dirname(path), f".{uuid4().hex}.tmp")
    _write(temporary, data)
    os.replace(temporary, path)


def write_table(path: str, table: pa.Table) -> None:
    """Writes one Parquet file, whole or not at all."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **PARQUET_WRITE_OPTIONS)
    write_whole(path, buffer.getvalue())


def write_json(path: str, value: dict[str, Any]) -> None:
    """Writes one JSON file, whole or not at all."""
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False).encode())


def read_json(path: str) -> dict[str, Any]:
    """Reads a JSON file."""
    with open_bytes(path) as file:
        return json.load(file)


def create(path: str) -> BinaryIO:
    """Opens a new file for writing, with its folder."""
    if FileSystems.get_scheme(path) not in _OBJECT_STORES:
        make_folder(posixpath.dirname(path))
    return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)


def make_folder(path: str) -> None:
    """Makes a local folder; other file systems have none."""
    if FileSystems.get_scheme(path) is None:
        os.makedirs(path, exist_ok=True)


def list_files(pattern: str) -> list[Any]:
    """The `FileMetadata` of the files that match, by path; none where the folder does not exist."""
    return sorted(iterate_files(pattern), key=lambda metadata: str(metadata.path))


def iterate_files(pattern: str) -> Iterator[Any]:
    """The `FileMetadata` of the files that match, one at a time."""
    if FileSystems.get_scheme(pattern) == "gs" and _has_wildcards(pattern):
        yield from gcs.iterate_objects(pattern)
    else:
        yield from FileSystems.match([pattern])[0].metadata_list


def exists(path: str) -> bool:
    """Whether there is a file at `path`."""
    return bool(FileSystems.exists(path))


def rename(source: str, target: str) -> None:
    """Renames a file over whatever has the target's name; done already is done."""
    if not exists(source) and exists(target):
        return
    make_folder(posixpath.dirname(target))
    FileSystems.rename([source], [target])


def remove(paths: list[str]) -> None:
    """Removes files and folders, also ones that are gone."""
    there = [path for path in paths if exists(path)]
    if not there:
        return
    try:
        FileSystems.delete(there)
    except BeamIOError:
        if any(exists(path) for path in there):
            raise


def remove_folder(path: str) -> None:
    """Removes a folder and what is in it, also one that is gone."""
    if FileSystems.get_scheme(path) is None:
        remove([path])
    else:
        remove([metadata.path for metadata in iterate_files(join(path, "**"))])


def _has_wildcards(pattern: str) -> bool:
    return any(wildcard in pattern for wildcard in "*?[")


def _write(path: str, data: bytes) -> None:
    with create(path) as file:
        file.write(data)
