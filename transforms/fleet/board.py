"""Where leases are: a folder in which each is a small file; its name says all, so that one listing is enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Protocol

from ..files.many import list_folder, remove_many
from ..files.storage import join, write_whole

_SIZES = 61  # bytes; one more each time, as times may be in seconds


class Board(Protocol):
    """Names that are put there again and again. What cannot be done raises `OSError`."""

    def put(self, name: str) -> None:
        """Puts a name there, once more."""

    def listing(self) -> Iterator[tuple[str, object]]:
        """The names, each with a stamp that is another one after each time that it was put there."""

    def remove(self, names: Iterable[str]) -> None:
        """Removes names; gone already is done."""


class FolderBoard:
    """A board on any file system."""

    def __init__(self, folder: str) -> None:
        self._folder, self._numbers = folder, count()

    def put(self, name: str) -> None:
        write_whole(join(self._folder, name), b" " * (1 + next(self._numbers) % _SIZES))

    def listing(self) -> Iterator[tuple[str, object]]:
        for file in list_folder(self._folder):
            name = file.path[len(self._folder) :].lstrip("/\\")
            yield name, (file.size_in_bytes, file.last_updated_in_seconds)

    def remove(self, names: Iterable[str]) -> None:
        remove_many(join(self._folder, name) for name in names)
