"""Counts what arrived and what became of it; the evidence of every load and fault test."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_IMAGES = 1_000_000
"""Images beyond this many are counted in calls but not by name."""


@dataclass
class Call:
    """One request while it is answered. `outcome` is a status, a fault's name, or `disconnected`."""

    arrived: float
    outcome: str = "disconnected"
    billed: bool = False


@dataclass
class Second:
    arrivals: int = 0
    accepted: int = 0
    throttled: int = 0


@dataclass
class Stats:
    """Not thread-safe: used from the server's event loop only. Times are of `clock`, in seconds."""

    clock: Callable[[], float]
    since: float = field(init=False)
    calls: int = 0
    other_methods: int = 0
    billed: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    outage_arrivals: int = 0
    bytes_received: int = 0
    most_accepted_in_1s: int = 0
    by_outcome: Counter[str] = field(default_factory=Counter)
    by_fault: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    images: dict[str, int] = field(default_factory=dict)
    images_unnamed: int = 0
    seconds: dict[int, Second] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.since = self.clock()

    def arrive(self) -> Call:
        call = Call(self.clock())
        self.calls += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self._second(call.arrived).arrivals += 1
        return call

    def accept(self, now: float) -> None:
        """The call passed the gateway: key and rate were good."""
        self._second(now).accepted += 1
        self.recent.append(now)
        while self.recent[0] <= now - 1:
            self.recent.popleft()
        self.most_accepted_in_1s = max(self.most_accepted_in_1s, len(self.recent))

    def image(self, key: str, asked: str) -> None:
        """A call was for this image, and asked for these features, or this model."""
        self.asked[asked] += 1
        if key in self.images or len(self.images) < MOST_IMAGES:
            self.images[key] = self.images.get(key, 0) + 1
        else:
            self.images_unnamed += 1

    def bill(self, call: Call) -> None:
        if not call.billed:
            call.billed = True
            self.billed += 1

    def finish(self, call: Call) -> None:
        self.in_flight -= 1
        self.by_outcome[call.outcome] += 1
        if call.outcome == "429":
            self._second(self.clock()).throttled += 1

    def fresh(self) -> Stats:
        """New counts from now on; calls in flight stay in flight."""
        return Stats(self.clock, in_flight=self.in_flight, peak_in_flight=self.in_flight)

    def report(self, with_images: bool) -> dict[str, Any]:
        """JSON-ready; `per_second` is keyed by whole seconds since the start or the last reset."""
        report: dict[str, Any] = {
            "seconds": round(self.clock() - self.since, 3),
            "calls": self.calls,
            "other_methods": self.other_methods,
            "by_status": dict(sorted(self.by_outcome.items())),
            "by_fault": dict(sorted(self.by_fault.items())),
            "asked": dict(sorted(self.asked.items())),
            "billed": self.billed,
            "distinct_images": len(self.images),
            "most_calls_for_one_image": max(self.images.values(), default=0),
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "most_accepted_in_1s": self.most_accepted_in_1s,
            "outage_arrivals": self.outage_arrivals,
            "bytes_received": self.bytes_received,
            "per_second": {str(second): vars(counts) for second, counts in sorted(self.seconds.items())},
        }
        if with_images:
            report["images"] = dict(self.images)
            report["images_unnamed"] = self.images_unnamed
        return report

    def _second(self, now: float) -> Second:
        return self.seconds.setdefault(int(now - self.since), Second())
