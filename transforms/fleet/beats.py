"""Something that is done every few seconds, and must have been done lately, by clocks that count suspension.

A process that was stopped (a laptop's lid, a machine that is moved) may wake in another world. It knows before its next
call: what a beat found out is valid for two beats from the beat's beginning, by a clock that counts suspension, and by
the wall clock; who is late beats first.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ..files.patience import pauses

VALID_BEATS = 2
_COUNTS_SUSPENSION = getattr(time, "CLOCK_BOOTTIME", None)


class Clocks(Protocol):
    """Says what time it is, in seconds: by a clock that counts suspension, and by the wall clock."""

    def __call__(self) -> tuple[float, float]: ...


def clocks() -> tuple[float, float]:
    """The clocks of this machine."""
    counting = time.monotonic() if _COUNTS_SUSPENSION is None else time.clock_gettime(_COUNTS_SUSPENSION)
    return counting, time.time()


class Beats:
    """Beats of one kind. Safe to use from many threads.

    Args:
      seconds: from one to the next.
      beat: is told whether the last one is too old; says whether there are to be more. It may raise `OSError`.
      clocks: see `Clocks`.
      patience: seconds for which `renew` tries again what fails.
    """

    def __init__(
        self, seconds: float, beat: Callable[[bool], bool], clocks: Clocks = clocks, patience: float = 0.0
    ) -> None:
        self.seconds, self._beat, self._clocks, self._patience = seconds, beat, clocks, patience
        self._beating, self._renewing, self._hurry = threading.Lock(), threading.Lock(), threading.Event()
        self.valid_until = (-math.inf, -math.inf)
        self.are_over = False

    def start(self) -> None:
        """Beats, now and until they are over.

        Raises:
          OSError: the first beat fails.
        """
        self.beat()
        threading.Thread(target=self._go_on, name="beat", daemon=True).start()

    def beat(self) -> None:
        """One more, if they are not over."""
        with self._beating:
            counting, wall = self._clocks()
            if self.are_over:
                return
            self.are_over = not self._beat(self._is_late())
            if not self.are_over:
                valid = VALID_BEATS * self.seconds
                self.valid_until = (counting + valid, wall + valid)

    def renew(self) -> bool:
        """Beats if the last one is too old, until it is not; False if they are over.

        Raises:
          OSError: a beat fails, for too long.
        """
        while not self.are_over and self._is_late():
            with self._renewing:  # one for all that wait
                if self._is_late():
                    self._beat_patiently()  # it, too, may have been stopped between its beginning and its end
        return not self.are_over

    def _beat_patiently(self) -> None:
        for pause in pauses(self._patience):
            with suppress(OSError):
                self.beat()
                return
            self._hurry.wait(pause)
        self.beat()

    def hurry(self) -> None:
        """The next beat is now, on the thread of the beats."""
        self._hurry.set()

    def end(self) -> None:
        """No more beats; one that is under way ends first."""
        with self._beating:
            self.are_over = True
        self._hurry.set()

    def _is_late(self) -> bool:
        return any(now > until for now, until in zip(self._clocks(), self.valid_until, strict=True))

    def _go_on(self) -> None:
        while not self.are_over:
            self._hurry.wait(self.seconds)
            self._hurry.clear()
            with suppress(OSError):  # the storage is away: who wants to call finds out
                self.beat()
