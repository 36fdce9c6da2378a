"""What a run has come to so far, and whether it is to stop: what the processes of a run on one machine tell each other.

Where the environment variable `IMAGE_ANALYSIS_BEAM_LIVE` names a folder, every process of the run writes its counts
there twice a second; workers inherit it from the process that starts the job, the owner of the folder. A file `stop` in
it ends the calls of them all.

The counts are not the accounts: what Beam does again is counted again.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Protocol, TextIO
from uuid import uuid4
from weakref import WeakSet

FOLDER_VARIABLE = "IMAGE_ANALYSIS_BEAM_LIVE"
CALLING = "calling"  # how many processes have begun to call
_SECONDS = 0.05  # how soon a process sees that it is to stop
_WRITTEN_EVERY = 10
OWNER = "owner"  # the file in a folder by which it is owned
_STOP = "stop"


class Watched(Protocol):
    """Who says how it is going, and can be told to stop."""

    def live(self) -> Mapping[str, float]: ...

    def trip(self, reason: str, detail: str) -> None: ...


class LiveCounts:
    """The counts of this process, written to a file while it lives. Safe to use from many threads.

    Args:
      folder: where to write; None writes nothing.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._counts: Counter[str] = Counter()
        self._watched: WeakSet[Watched] = WeakSet()
        self._is_told_to_stop = False
        if self._folder:
            self._path = self._folder / f"{uuid4().hex}.json"
            threading.Thread(target=self._keep_in_touch, args=[self._folder], name="live counts", daemon=True).start()

    def add(self, counts: Mapping[str, int]) -> None:
        """Adds to the counts."""
        if self._folder:
            with self._lock:
                self._counts.update(counts)

    def watch(self, watched: Watched) -> None:
        """Adds what it says of itself at the time of each writing, as long as it lives; stops it with the run.

        That there are calls is written before one is made, and whether to make any is looked up after that: who asks
        the run to stop, and then finds no calls, can be sure that none will be made.
        """
        with self._lock:
            self._watched.add(watched)
            self._counts[CALLING] = 1
        self.flush()
        if self._is_told_to_stop or (self._folder and (self._folder / _STOP).exists()):
            self.stop()

    def read(self) -> Counter[str]:
        """The counts, and what is watched."""
        with self._lock:
            total: Counter[str] = Counter(self._counts)
        for watched in list(self._watched):
            total.update(watched.live())
        return total

    def flush(self) -> None:
        """Writes the counts now: for a number that others are compared with."""
        if self._folder:
            self._write()

    def stop(self) -> None:
        """Ends the calls of this process: those that have not begun never do."""
        self._is_told_to_stop = True
        for watched in list(self._watched):
            watched.trip("interrupted", "the run was told to stop")

    def _keep_in_touch(self, folder: Path) -> None:
        never = threading.Event()
        for turn in count():
            if turn % _WRITTEN_EVERY == 0:
                self._write()
            if not folder.exists():
                return
            if not self._is_told_to_stop and (folder / _STOP).exists():
                self.stop()
            never.wait(_SECONDS)

    def _write(self) -> None:
        """Writes the file, whole or not at all. Nothing that only shows may fail a run."""
        draft = self._path.with_suffix(".tmp")
        with self._writing, suppress(OSError):
            draft.write_text(json.dumps(self.read()))
            draft.replace(self._path)


def live_counts() -> LiveCounts:
    """The counts of this process for the present watcher."""
    return _of_folder(os.environ.get(FOLDER_VARIABLE))


@lru_cache(maxsize=1)
def _of_folder(folder: str | None) -> LiveCounts:
    return LiveCounts(folder)


os.register_at_fork(after_in_child=_of_folder.cache_clear)  # nothing is written there


def read_counts(folder: Path) -> Counter[str]:
    """The counts of all processes together."""
    total: Counter[str] = Counter()
    with suppress(OSError):  # the folder goes when the run ends
        for path in folder.glob("*.json"):
            with suppress(OSError, ValueError):
                total.update(json.loads(path.read_text()))
    return total


def own(folder: Path) -> TextIO:
    """Makes this process the owner of a folder, for as long as the file that it returns is open.

    The file has its name only once it is locked: nobody finds one that is there and free before its owner has ended.
    """
    draft = folder / f"{OWNER}.tmp"
    file = open(draft, "w")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX)
    draft.rename(folder / OWNER)
    return file


def is_abandoned(folder: Path) -> bool:
    """Whether the owner's process has ended, in whatever way."""
    try:
        with open(folder / OWNER) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
    except OSError:  # it is locked, or there is none
        return False


def stop_run() -> bool:
    """Ends the calls of all processes of a run on this machine; False if none has begun to call, and so none will."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return False
    live_counts().stop()
    with suppress(OSError):
        Path(folder, _STOP).touch()
    return has_begun_to_call(Path(folder))


def has_begun_to_call(folder: Path) -> bool:
    """Whether any process of a run on this machine has."""
    return read_counts(folder)[CALLING] > 0
