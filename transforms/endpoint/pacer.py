"""When may the next call start? Evenly spaced slots at a rate that adapts to what the service bears.

A pure state machine on given times (seconds of any monotonic clock): `admission.py` does the waiting, the
simulation in `docs/scaling.md` drives it on a clock of its own.

With a ceiling R, slots are 1 / (0.99 R) apart: a service that counts over a sliding second would refuse every other
call at exactly R, because of jitter on the way. A refusal (429) multiplies the rate by 0.75, at most once a second;
answers bring it back within a second to just under where the refusal came, and then up, slowly at first.

A share below one call a second meets the shares of other processes by chance: in some seconds more slots fall together
than the service admits, though their sum is within the limit. Such a refusal says nothing of the rate. It moves the
slots on by a little, out of the crowd, so that processes which know nothing of each other come to lie evenly. Only when
many of the last calls were refused is a thin share cut like any other.

Without a ceiling the rate starts at 8/s and doubles each second until the first refusal. From then on, the rate the
service was seen to bear (answers in the second before the refusal) is what it returns to.
"""

from __future__ import annotations

import math
from collections import deque

HEADROOM = 0.99
THIN, THIN_HEADROOM = 1.0, 0.97  # calls per second below which a share is thin
NUDGE = 0.1  # of an interval, at most: how far a refusal moves the slots of a thin share
LAST_CALLS, MANY_REFUSED = 20, 4
LATE = 0.005  # a start this late (seconds) does not shift the slots behind it
CUT = 0.75
CUT_EVERY = 1.0
SAFE = 0.97  # of the rate at which the last refusal came: recovery is fast below it
RECOVERY = 0.5  # of the safe rate, per second, below it
CREEP = 4e-5  # of the rate, per second, above it, for each second since the last refusal
START = 8.0
FLOOR = 0.05
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # where a refusal names no wait


class Pacer:
    """Slots for calls, and the rate between them.

    Args:
      ceiling: calls per second never to exceed; None where the limit is unknown.
      phase: a random number from 0 to 1; processes that start together begin so far into the interval of their slots.
    """

    def __init__(self, ceiling: float | None, now: float, phase: float = 0.0) -> None:
        self._is_thin = ceiling is not None and ceiling < THIN
        self.ceiling = ceiling * (THIN_HEADROOM if self._is_thin else HEADROOM) if ceiling else float("inf")
        self.rate = self.ceiling if ceiling else START
        self._doubling = ceiling is None
        self._safe = self.ceiling
        self._next_slot = now + (phase / self.ceiling if ceiling else 0.0)
        self._closed_until = now
        self._adapted_at = now
        self._cut_at = now - CUT_EVERY
        self._answered: deque[float] = deque()
        self._was_refused: deque[bool] = deque(maxlen=LAST_CALLS)
        self._pause = FIRST_PAUSE

    @property
    def is_known(self) -> bool:
        """Whether the rate is a limit: given, or found."""
        return not self._doubling

    def next_slot(self, now: float) -> float:
        """The earliest time at which a call may start."""
        return max(self._next_slot, self._closed_until)

    def take(self, now: float) -> None:
        """Takes the slot that is due at `now`."""
        self._adapt(now)
        interval = 1 / self.rate
        start = max(self.next_slot(now), now - min(interval, LATE))
        self._next_slot = start + interval

    def answered(self, now: float) -> None:
        """The service took a call: it bears the present rate."""
        self._answered.append(now)
        self._was_refused.append(False)
        self._pause = FIRST_PAUSE
        self._forget(now)

    def throttled(self, now: float, wait: float | None, nudge: float = 0.0) -> None:
        """The service refused a call and asked for a pause of `wait` seconds, or named none.

        Args:
          nudge: a random number from 0 to 1, to move a thin share's slots by.
        """
        self._closed_until = max(self._closed_until, now + (self._pause if wait is None else wait))
        self._was_refused.append(True)
        if now - self._cut_at < CUT_EVERY:
            return
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        if self._is_thin and self._was_refused.count(True) < MANY_REFUSED:
            self._move_slots(nudge)
        else:
            self._cut(now)

    def _move_slots(self, nudge: float) -> None:
        interval = 1 / self.rate
        skipped = max(0, math.ceil((self._closed_until - self._next_slot) / interval))
        self._next_slot += (skipped + NUDGE * nudge) * interval

    def _cut(self, now: float) -> None:
        self._adapt(now)
        self._forget(now)
        self._was_refused.clear()
        floor = min(FLOOR, self.ceiling)
        borne = float(len(self._answered)) or self.rate * CUT
        self._doubling = False
        self._safe = max(floor, SAFE * min(self.rate, max(borne, self.rate * CUT)))
        self.rate = max(floor, self.rate * CUT)
        self._cut_at = self._adapted_at = now
        self._next_slot = max(self._next_slot, now + 1 / self.rate)

    def _adapt(self, now: float) -> None:
        since, self._adapted_at = self._adapted_at, now
        elapsed = now - max(since, self._closed_until)
        if elapsed <= 0:
            return
        if self._doubling:
            self.rate = min(self.rate * 2 ** min(elapsed, 1.0), 1e6)
        elif self.rate < self._safe:
            self.rate = min(self.rate + RECOVERY * self._safe * elapsed, self._safe)
        else:
            self.rate *= 1 + CREEP * (now - self._cut_at) * elapsed
        self.rate = min(self.rate, self.ceiling)

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] <= now - 1:
            self._answered.popleft()
