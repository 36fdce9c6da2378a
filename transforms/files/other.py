"""Any other file system of Beam (`hdfs://`, one of the user's own): by Beam's calls alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from .store import Found

_AS_IT_IS = CompressionTypes.UNCOMPRESSED


class OtherStore:
    """Beam's calls know no "unless it is there", so `create` looks first and writes then."""

    requests_at_once = 16
    names_per_removal = 1
    weakness: str | None = "Beam cannot create a file there only if there is none: it looks first and writes then"

    def find(self, path: str) -> Found | None:
        return _found(FileSystems.get_filesystem(path).metadata(path)) if FileSystems.exists(path) else None

    def listing(self, prefix: str) -> Iterator[Found]:
        """By the step of Beam's `match` that takes no pattern; on a file system with folders it does not go down."""
        yield from map(_found, FileSystems.get_filesystem(prefix)._list(prefix))

    def open(self, path: str) -> BinaryIO:
        return FileSystems.open(path, compression_type=_AS_IT_IS)

    def read_first(self, path: str, most: int) -> tuple[bytes, None]:
        with self.open(path) as file:
            return file.read(most), None

    def open_new(self, path: str) -> BinaryIO:
        return FileSystems.create(path, compression_type=_AS_IT_IS)

    def read(self, path: str) -> bytes | None:
        if not FileSystems.exists(path):
            return None
        with self.open(path) as file:
            return file.read()

    def put(self, path: str, data: bytes) -> None:
        with self.open_new(path) as file:
            file.write(data)

    def create(self, path: str, data: bytes) -> bool:
        if FileSystems.exists(path):
            return False
        self.put(path, data)
        return self.read(path) == data

    def move(self, source: str, target: str) -> None:
        if not FileSystems.exists(source) and FileSystems.exists(target):
            return
        FileSystems.rename([source], [target])

    def remove(self, paths: list[str]) -> None:
        for path in paths:
            try:
                FileSystems.delete([path])
            except BeamIOError:
                if FileSystems.exists(path):
                    raise


def _found(file: FileMetadata) -> Found:
    return Found(file.path, file.size_in_bytes, file.last_updated_in_seconds)
