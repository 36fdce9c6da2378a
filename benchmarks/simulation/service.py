"""The service of the simulation: one limit for everybody, answers that take their time, refusals that are nobody's
fault, a limit that drops, and an outage."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random

from image_analysis_beam.emulator.limits import Limit, Limits


class Status(Enum):
    """What the service says to a call."""

    ANSWERED = 200
    THROTTLED = 429
    UNAVAILABLE = 503


@dataclass(frozen=True)
class Latency:
    """Seconds: the way to the service is uniform, an answer log-normal, a refusal quick."""

    way: tuple[float, float] = (0.002, 0.012)
    median: float = 0.4
    sigma: float = 0.4
    refusal: float = 0.01


@dataclass(frozen=True)
class Strays:
    """Refusals that have nothing to do with the pace: a share of all tries, or of first tries, or of these calls."""

    share: float = 0.0
    of_first: float = 0.0
    numbers: tuple[int, ...] = ()
    wait: float = 1.0


@dataclass(frozen=True)
class Drop:
    """From when to when (seconds) the limit is another one."""

    begins: float
    ends: float
    calls: int


@dataclass
class Service:
    """Answers, throttles as the emulator's limiters do (`Retry-After` in whole seconds), or is away.

    Args:
      limit: what all callers together may do.
      random: where latencies come from.
      outage: from when to when (seconds) every call gets a 503.
      strays: what is refused besides.
      drop: another limit for a while.
    """

    limit: Limit
    random: Random
    outage: tuple[float, float] = (0.0, 0.0)
    latency: Latency = field(default_factory=Latency)
    strays: Strays = field(default_factory=Strays)
    drop: Drop | None = None

    def __post_init__(self) -> None:
        self._limits = Limits([self.limit])
        self._dropped = Limits([replace(self.limit, calls=self.drop.calls)]) if self.drop else self._limits
        self._calls = 0
        self.arrivals: list[float] = []  # of calls that are ours, in order
        self.by_second: dict[Status, Counter[int]] = {status: Counter() for status in Status}

    def on_the_way(self) -> float:
        """Seconds until a call that starts now arrives."""
        return self.random.uniform(*self.latency.way)

    def receive(self, now: float, is_first: bool) -> tuple[Status, float, float | None]:
        """A call arrives: what it gets, in how many seconds, and the `Retry-After` of a refusal."""
        self._calls += 1
        self.arrivals.append(now)
        if self.outage[0] <= now < self.outage[1]:
            return self._count(Status.UNAVAILABLE, now), self.latency.refusal, None
        if self._is_stray(is_first):
            return self._count(Status.THROTTLED, now), self.latency.refusal, self.strays.wait
        wait = self.admit(now)
        if wait > 0:
            return self._count(Status.THROTTLED, now), self.latency.refusal, float(max(1, math.ceil(wait)))
        seconds = self.random.lognormvariate(math.log(self.latency.median), self.latency.sigma)
        return self._count(Status.ANSWERED, now), seconds, None

    def admit(self, now: float) -> float:
        """Whether the limit admits a call, of anybody: 0, or the seconds to wait."""
        is_dropped = self.drop is not None and self.drop.begins <= now < self.drop.ends
        return (self._dropped if is_dropped else self._limits).admit(now)

    def _is_stray(self, is_first: bool) -> bool:
        share = self.strays.share or (self.strays.of_first if is_first else 0.0)
        return self._calls in self.strays.numbers or (share > 0 and self.random.random() < share)

    def _count(self, status: Status, now: float) -> Status:
        self.by_second[status][int(now)] += 1
        return status
