"""What a run has come to so far, for whoever watches it on the same machine: a small file per process, twice a second.

Where the environment variable `IMAGE_ANALYSIS_BEAM_LIVE` names a folder, every process of the run writes there; workers
inherit it from the process that starts the job. Not the accounts: what Beam does again is counted again.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

FOLDER_VARIABLE = "IMAGE_ANALYSIS_BEAM_LIVE"
SECONDS = 0.5

Counts = Mapping[str, float]


class LiveCounts:
    """The counts of this process, written to a file while it lives. Safe to use from many threads.

    Args:
      folder: where to write; None writes nothing.
    """

    def __init__(self, folder: str | None) -> None:
        self._path = Path(folder, f"{uuid4().hex}.json") if folder else None
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._counts: Counter[str] = Counter()
        self._watched: list[Callable[[], Counts]] = []
        if self._path:
            threading.Thread(target=self._keep_writing, args=[self._path], name="live counts", daemon=True).start()

    def add(self, counts: Mapping[str, int]) -> None:
        """Adds to the counts."""
        if self._path:
            with self._lock:
                self._counts.update(counts)

    def watch(self, read: Callable[[], Counts]) -> None:
        """Adds what `read` returns at the time of each writing."""
        self._watched.append(read)

    def read(self) -> Counter[str]:
        """The counts, and what is watched."""
        with self._lock:
            total: Counter[str] = Counter(self._counts)
        for read in self._watched:
            total.update(read())
        return total

    def flush(self) -> None:
        """Writes the counts now: for a number that others are compared with."""
        if self._path:
            self._write(self._path)

    def _keep_writing(self, path: Path) -> None:
        never = threading.Event()
        while self._write(path):
            never.wait(SECONDS)

    def _write(self, path: Path) -> bool:
        """Writes the file, whole or not at all; False where the watcher has gone, and its folder."""
        draft = path.with_suffix(".tmp")
        with self._writing:
            try:
                draft.write_text(json.dumps(self.read()))
                draft.replace(path)
            except FileNotFoundError:
                return False
        return True


def live_counts() -> LiveCounts:
    """The counts of this process for the present watcher."""
    return _of_folder(os.environ.get(FOLDER_VARIABLE))


@lru_cache(maxsize=1)
def _of_folder(folder: str | None) -> LiveCounts:
    return LiveCounts(folder)


def read_counts(folder: Path) -> Counter[str]:
    """The counts of all processes together."""
    total: Counter[str] = Counter()
    for path in folder.glob("*.json"):
        total.update(json.loads(path.read_text()))
    return total
