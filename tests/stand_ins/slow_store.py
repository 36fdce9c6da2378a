"""A store in memory that takes its time for every request, and counts them: what many files cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from apache_beam.io.filesystem import FileMetadata


class SlowStore:
    """Names, in folders of one level; only what is put or created has content.

    Args:
      seconds: what a request takes.
      requests_at_once: how many it serves; a further one waits.
    """

    names_per_removal = 100
    weakness = None
    page = 1000

    def __init__(self, seconds: float = 0.02, requests_at_once: int = 50) -> None:
        self.requests_at_once = requests_at_once
        self.names: set[str] = set()
        self.contents: dict[str, bytes] = {}
        self.requests = self.most_at_once = 0
        self._seconds, self._under_way, self._counting = seconds, 0, threading.Lock()
        self._places = threading.BoundedSemaphore(requests_at_once)

    def find(self, path: str) -> FileMetadata | None:
        self._request()
        return FileMetadata(path, 0) if path in self.names else None

    def listing(self, prefix: str) -> Iterator[FileMetadata]:
        names = iter(sorted(name for name in self.names.copy() if name.startswith(prefix)))
        for number, name in enumerate(names):
            if number % self.page == 0:
                self._request()
            yield FileMetadata(name, 0)

    def read(self, path: str) -> bytes | None:
        self._request()
        return self.contents.get(path)

    def put(self, path: str, data: bytes) -> None:
        self._request()
        self.contents[path] = data
        self.names.add(path)

    def create(self, path: str, data: bytes) -> bool:
        self._request()
        self.names.add(path)
        return self.contents.setdefault(path, data) is data

    def move(self, source: str, target: str) -> None:
        self._request()  # the copy
        if source not in self.names:
            if target not in self.names:
                raise FileNotFoundError(source)
            return
        self.names.add(target)
        self.remove([source])

    def remove(self, paths: list[str]) -> None:
        assert len(paths) <= self.names_per_removal
        self._request()
        self.names.difference_update(paths)

    def _request(self) -> None:
        with self._places:
            with self._counting:
                self.requests += 1
                self._under_way += 1
                self.most_at_once = max(self.most_at_once, self._under_way)
            time.sleep(self._seconds)
            with self._counting:
                self._under_way -= 1
