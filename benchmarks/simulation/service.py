"""The service of the simulation: one limit for everybody, answers that take their time, and an outage."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
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


@dataclass
class Service:
    """Answers, throttles as the emulator's limiters do (`Retry-After` in whole seconds), or is away.

    Args:
      limit: what all callers together may do.
      random: where latencies come from.
      outage: from when to when (seconds) every call gets a 503.
    """

    limit: Limit
    random: Random
    outage: tuple[float, float] = (0.0, 0.0)
    latency: Latency = field(default_factory=Latency)

    def __post_init__(self) -> None:
        self._limits = Limits([self.limit])
        self.by_second: dict[Status, Counter[int]] = {status: Counter() for status in Status}

    def on_the_way(self) -> float:
        """Seconds until a call that starts now arrives."""
        return self.random.uniform(*self.latency.way)

    def receive(self, now: float) -> tuple[Status, float, float | None]:
        """A call arrives: what it gets, in how many seconds, and the `Retry-After` of a refusal."""
        if self.outage[0] <= now < self.outage[1]:
            return self._count(Status.UNAVAILABLE, now), self.latency.refusal, None
        wait = self._limits.admit(now)
        if wait > 0:
            return self._count(Status.THROTTLED, now), self.latency.refusal, float(max(1, math.ceil(wait)))
        seconds = self.random.lognormvariate(math.log(self.latency.median), self.latency.sigma)
        return self._count(Status.ANSWERED, now), seconds, None

    def _count(self, status: Status, now: float) -> Status:
        self.by_second[status][int(now)] += 1
        return status
