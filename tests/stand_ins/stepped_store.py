"""A store in memory of which each request waits to be let go: any interleaving of any number of processes can be made.

Each process has a store of its own over the same files. What can go wrong with a request goes wrong when it is let go.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import FileMetadata

LAG = 6  # how many of the latest new names a listing that lags does not show


class Killed(BaseException):
    """The process is gone."""


class Process:
    """A thread that does one request at a time, when it is told to.

    Args:
      work: what it does.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._go, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self._work, self._killed = work, False
        self.has_ended, self.error, self.fault = False, None, ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._waits.acquire()

    def step(self, fault: str = "") -> None:
        """Lets one request go: in good order, or `lost reply`, `refused`, `lag`."""
        self.fault = fault
        self._go.release()
        self._waits.acquire()

    def kill(self) -> None:
        """Ends it where it is; what was on its way has not been sent."""
        self._killed = True
        while not self.has_ended:
            self.step()
        self._thread.join()

    def wait(self) -> str:
        """Waits to be let go; returns the fault to have."""
        self._waits.release()
        self._go.acquire()
        if self._killed:
            raise Killed
        return self.fault

    def _run(self) -> None:
        try:
            self.wait()
            self._work()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.has_ended = True
        self._waits.release()


class World:
    """The files that all see; names in the order of their making. A file of `never_replaced` stays as it is."""

    def __init__(self, never_replaced: Callable[[str], bool]) -> None:
        self.files: dict[str, bytes] = {}
        self.never_replaced = never_replaced
        self.broken: list[str] = []

    def put(self, name: str, data: bytes) -> None:
        if self.never_replaced(name) and name in self.files:
            self.broken.append(f"{name} was replaced")
        self.files[name] = data

    def remove(self, name: str) -> None:
        if self.never_replaced(name) and name in self.files:
            self.broken.append(f"{name} was removed")
        self.files.pop(name, None)


class SteppedStore:
    """The files of a world as one process sees them; its paths begin with a root of its own."""

    requests_at_once = 1
    names_per_removal = 3
    weakness = None

    def __init__(self, world: World, root: str) -> None:
        self._world, self._root = world, root
        self.process: Process | None = None

    def find(self, path: str) -> FileMetadata | None:
        with_data = self._request(lambda: self._world.files.get(self._name(path)))
        return None if with_data is None else FileMetadata(path, len(with_data))

    def listing(self, prefix: str) -> Iterator[FileMetadata]:
        names, fault = [], self._wait()
        if fault in ("refused", "lost reply"):
            raise OSError(fault)
        names = list(self._world.files)
        shown = names[:-LAG] if fault == "lag" else names
        start = self._name(prefix)
        yield from (FileMetadata(self._root + name, 0) for name in sorted(shown) if name.startswith(start))

    def open(self, path: str) -> BinaryIO:
        data = self._request(lambda: self._world.files.get(self._name(path)))
        if data is None:
            raise FileNotFoundError(path)
        return io.BytesIO(data)

    def read(self, path: str) -> bytes | None:
        return self._request(lambda: self._world.files.get(self._name(path)))

    def put(self, path: str, data: bytes) -> None:
        self._request(lambda: self._world.put(self._name(path), data))

    def create(self, path: str, data: bytes) -> bool:
        def create() -> bool:
            if self._name(path) in self._world.files:
                return False
            self._world.put(self._name(path), data)
            return True

        return self._request(create)

    def move(self, source: str, target: str) -> None:
        """A copy, then a removal."""
        data = self._request(lambda: self._world.files.get(self._name(source)))
        if data is not None:
            self.put(target, data)
            self.remove([source])
        elif self.find(target) is None:
            raise FileNotFoundError(source)

    def remove(self, paths: list[str]) -> None:
        assert len(paths) <= self.names_per_removal
        self._request(lambda: [self._world.remove(self._name(path)) for path in paths])

    def _name(self, path: str) -> str:
        assert path.startswith(self._root), path
        return path[len(self._root) :]

    def _wait(self) -> str:
        return self.process.wait() if self.process else ""

    def _request(self, do: Callable[[], object]) -> object:
        fault = self._wait()
        if fault == "refused":
            raise OSError("refused")
        done = do()
        if fault == "lost reply":
            raise OSError("lost reply")
        return done
