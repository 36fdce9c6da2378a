"""Ends the calls of a step by its limits. The images that are left are deferred: a later run calls them."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from math import inf
from time import monotonic, time
from typing import NamedTuple, Protocol
from weakref import WeakSet

from .limits import Limits

_NONE = Limits()
TOO_MANY_DEAD_LETTERS, OVER_BUDGET = "too_many_dead_letters", "over_budget"


class Tally(NamedTuple):
    """Images that have an answer or are dead letters; how many of them are dead letters."""

    settled: int = 0
    dead: int = 0

    def plus(self, other: Tally) -> Tally:
        """The sums."""
        return Tally(self.settled + other.settled, self.dead + other.dead)


class Wakeable(Protocol):
    """Where calls wait."""

    def wake(self) -> None: ...


class Guard:
    """One of a step and process. Safe to use from many threads.

    A bundle that dies is run again: what it had counted is dropped.
    """

    def __init__(self, limits: Limits = _NONE) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self.ends_at = inf if limits.ends_at is None else monotonic() + limits.ends_at - time()
        self._kept, self._bundles, self._others = Tally(), dict[Hashable, Tally](), Tally()
        self._stopped: tuple[str, str] | None = None
        self.stopped_by: Tally | None = None
        self._waiting: WeakSet[Wakeable] = WeakSet()

    @property
    def counts(self) -> bool:
        """Whether it has to know what became of images."""
        return self._limits.dead_letters is not None

    @property
    def tally(self) -> Tally:
        """What this process has counted."""
        with self._lock:
            return self._own()

    def why_stopped(self) -> tuple[str, str] | None:
        """Reason and detail, if no call is to be made any more."""
        if self._stopped is None and monotonic() >= self.ends_at:
            self._stopped = OVER_BUDGET, f"--max_time {self._limits.time} was reached"
        return self._stopped

    def watch(self, waiting: Wakeable) -> None:
        """Wakes it when the calls end, as long as it lives."""
        self._waiting.add(waiting)

    def count(self, bundle: Hashable, tally: Tally) -> None:
        """What became of images of a bundle."""
        if self.counts:
            with self._lock:
                self._bundles[bundle] = self._bundles.get(bundle, Tally()).plus(tally)
            self._judge()

    def keep(self, bundle: Hashable) -> None:
        """A bundle has ended well."""
        with self._lock:
            self._kept = self._kept.plus(self._bundles.pop(bundle, Tally()))

    def drop(self, bundle: Hashable) -> None:
        """A bundle has died, unless it was kept."""
        with self._lock:
            self._bundles.pop(bundle, None)

    def see(self, others: Tally) -> None:
        """What all other processes have counted."""
        with self._lock:
            self._others = others
        self._judge()

    def stop(self, by: Tally) -> None:
        """There are too many dead letters, as this or another process has seen."""
        assert self._limits.dead_letters is not None
        if self._stopped is None:
            self._stopped = (
                TOO_MANY_DEAD_LETTERS,
                f"{by.dead} of {by.settled} images are dead letters: more than --max_dead_letters "
                f"{self._limits.dead_letters.text}",
            )
            self.stopped_by = by
        for waiting in list(self._waiting):
            waiting.wake()

    def _judge(self) -> None:
        with self._lock:
            total = self._own().plus(self._others)
        limit = self._limits.dead_letters
        if limit is not None and self._stopped is None and limit.is_passed(total.dead, total.settled):
            self.stop(total)

    def _own(self) -> Tally:
        total = self._kept
        for tally in self._bundles.values():
            total = total.plus(tally)
        return total
