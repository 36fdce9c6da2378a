"""The one place where calls wait: for the window, the pacer and the breaker of this process.

Callers queue in order; only the head of the queue sleeps towards a time, the others wait to become the head. So
nobody stampedes when a pause ends, a change of rate counts at once, and every event that could free the head wakes it.
Retries go first: their deadlines are the nearest. In an outage new images go first: a probe with an image that has
failed before would say less of the service.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import NamedTuple

from .breaker import Breaker, State
from .pacer import Pacer

REOPENING_JITTER = 0.1


class Refused(Enum):
    """Why a call may not start."""

    TRIPPED = "tripped"
    DEADLINE = "deadline"


class Events(NamedTuple):
    """Whole seconds that the head of the queue waited for the pacer, and how often the breaker opened."""

    throttled_seconds: int
    breaker_openings: int


class Admission:
    """Lets calls start. One per process, shared by its threads.

    Args:
      max_in_flight: calls at once at the most; the window opens from 1 as answers come.
      requests_per_second: this process's share of the rate; None where the limit is unknown.
      outage_patience: seconds until an outage counts as permanent.
      clock: monotonic seconds.
    """

    def __init__(
        self,
        max_in_flight: int,
        requests_per_second: float | None,
        outage_patience: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._fresh: deque[threading.Condition] = deque()
        self._retries: deque[threading.Condition] = deque()
        self._tripped = threading.Event()
        self.pacer = Pacer(requests_per_second, clock(), random.random())
        self.breaker = Breaker(outage_patience)
        self._max_in_flight = max_in_flight
        self._window = 1
        self._in_flight = 0
        self._throttled_seconds = 0.0

    @property
    def tripped(self) -> bool:
        """Whether a systemic fault has ended all calls of this process."""
        return self._tripped.is_set()

    def earliest(self, now: float) -> float:
        """When the head of the queue may start: `now`, a later time, or infinity until something happens."""
        opens_at = self.breaker.opens_at(now)
        if self.breaker.state is State.TRIPPED:
            return now
        if self._in_flight >= self._window or (self.breaker.state is State.HALF_OPEN):
            return opens_at if opens_at > now else float("inf")
        return max(now, opens_at, self.pacer.next_slot(now))

    def enter(self, deadline: float, *, retry: bool = False) -> Refused | None:
        """Waits for leave to start a call; None is leave, to be given back by one of the reports."""
        turn = threading.Condition(self._lock)
        with self._lock:
            queue = self._retries if retry else self._fresh
            queue.append(turn)
            refused = self._wait(turn, deadline)
            queue.remove(turn)
            if refused is None:
                now = self._clock()
                self.breaker.admit(now)
                self.pacer.take(now)
                self._in_flight += 1
            self._wake_head()
        return refused

    def answered(self, started: float) -> None:
        """A call got an answer."""
        with self._leaving():
            now = self._clock()
            self.breaker.answered(now, started)
            self.pacer.answered(now)
            self._window = min(self._window + 1, self._max_in_flight)

    def throttled(self, started: float, wait: float | None) -> None:
        """A call was refused for the rate; `wait` is the pause in seconds that was asked for, if any."""
        with self._leaving():
            now = self._clock()
            self.breaker.throttled(now, started)
            jitter = 1 + random.uniform(0, REOPENING_JITTER)
            self.pacer.throttled(now, None if wait is None else wait * jitter, random.random())

    def failed(self, started: float, first_failure: float | None, why: str) -> bool:
        """A call failed as in an outage; returns whether it is one (then the image is not to blame)."""
        with self._leaving():
            return self.breaker.failed(self._clock(), started, first_failure, why)

    def trip(self, reason: str, detail: str, *, leaving: bool = True) -> None:
        """A systemic fault: no call starts any more. `leaving` where a call in flight reports it."""
        with self._leaving(int(leaving)):
            self.breaker.trip(reason, detail)

    def pause(self, seconds: float) -> None:
        """Sleeps between two attempts of a call; a trip ends it."""
        self._tripped.wait(seconds)

    def take_events(self) -> Events:
        """What happened in this process since the last call of this, for the accounts."""
        with self._lock:
            whole = int(self._throttled_seconds)
            self._throttled_seconds -= whole
            openings, self.breaker.openings = self.breaker.openings, 0
        return Events(whole, openings)

    def live(self) -> dict[str, float]:
        """For who watches: the rate that is kept to, as far as it is known, and whether the service is away."""
        is_away = self.breaker.state in (State.OPEN, State.HALF_OPEN)
        return {"limit": self.pacer.rate if self.pacer.is_known else 0.0, "in_outage": int(is_away)}

    def _wait(self, turn: threading.Condition, deadline: float) -> Refused | None:
        while True:
            now = self._clock()
            is_head = self._head() is turn
            start_at = self.earliest(now) if is_head else float("inf")
            if self.breaker.state is State.TRIPPED:
                self._tripped.set()
                return Refused.TRIPPED
            if now >= deadline:
                return Refused.DEADLINE
            if start_at <= now:
                return None
            timeout = min(start_at, deadline) - now
            turn.wait(None if timeout == float("inf") else timeout)
            if is_head and start_at != float("inf"):
                self._throttled_seconds += self._clock() - now

    def _leaving(self, calls: int = 1) -> _Leaving:
        return _Leaving(self, calls)

    def _left(self, calls: int) -> None:
        self._in_flight -= calls
        if self.breaker.state is State.TRIPPED:
            self._tripped.set()
            for turn in (*self._fresh, *self._retries):
                turn.notify()
        else:
            self._wake_head()

    def _head(self) -> threading.Condition | None:
        is_outage = self.breaker.state is not State.CLOSED
        first, second = (self._fresh, self._retries) if is_outage else (self._retries, self._fresh)
        return next(iter(first), None) or next(iter(second), None)

    def _wake_head(self) -> None:
        if head := self._head():
            head.notify()


class _Leaving:
    """Holds the admission's lock; on the way out, gives places of the window back and wakes who may go on."""

    def __init__(self, admission: Admission, calls: int) -> None:
        self._admission, self._calls = admission, calls

    def __enter__(self) -> None:
        self._admission._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._admission._left(self._calls)
        self._admission._lock.release()
