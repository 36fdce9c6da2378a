"""What the calls of a run came to, in numbers that add up: counts by class, a latency histogram, a time line.

Gathered on the bundle thread from finished calls and emitted as an element, so a retried bundle is counted once. Beam's
own metrics (for Dataflow's pages) are reported beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from .endpoint.admission import Events
from .endpoint.call import Attempt

_BUCKETS_PER_OCTAVE = 8  # latency is known to 9 %


class CallStats:
    """Sums over finished attempts; `as_counts` is what travels."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Takes the attempts of one call."""
        counts = self._counts
        for number, attempt in enumerate(attempts):
            counts[f"attempts.{attempt.result}"] += 1
            counts[f"latency.{_bucket(attempt.latency)}"] += 1
            counts[f"timeline.{int(attempt.ended_at)}.{attempt.result}"] += 1
            counts["bytes_sent"] += attempt.bytes_sent
            counts["billed_units"] += attempt.billed_units
            counts["retries"] += number > 0

    def add_events(self, events: Events) -> None:
        """Takes what happened in the process."""
        self._counts["throttled_seconds"] += events.throttled_seconds
        self._counts["breaker_openings"] += events.breaker_openings

    def as_counts(self) -> dict[str, int]:
        """Name -> number, to be added up over bundles."""
        return {name: number for name, number in self._counts.items() if number}


def _bucket(seconds: float) -> int:
    return round(math.log2(max(seconds, 1e-4)) * _BUCKETS_PER_OCTAVE)


def latency_percentiles(counts: dict[str, int], percents: Iterable[float] = (50, 90, 99)) -> dict[str, float]:
    """`p50` and so on in seconds, from the `latency.*` counts; empty where there were no attempts."""
    buckets = sorted((int(name[8:]), number) for name, number in counts.items() if name.startswith("latency."))
    total = sum(number for _, number in buckets)
    percentiles = {}
    for percent in percents if total else ():
        left = total * percent / 100
        for bucket, number in buckets:
            left -= number
            if left <= 0:
                percentiles[f"p{percent:g}"] = round(2 ** (bucket / _BUCKETS_PER_OCTAVE), 4)
                break
    return percentiles


def pace(counts: dict[str, int]) -> float | None:
    """Attempts a second from the first to the last one; None where there were none."""
    seconds = {int(name.split(".")[1]) for name in counts if name.startswith("timeline.")}
    attempts = sum(number for name, number in counts.items() if name.startswith("attempts."))
    return round(attempts / (max(seconds) - min(seconds) + 1), 2) if seconds else None


def timeline(counts: dict[str, int], most: int = 600) -> list[dict[str, int]]:
    """Attempts by class over time, in at most `most` steps: `{"at": unix seconds, "seconds": step, class: n, …}`."""
    points: dict[int, Counter[str]] = {}
    for name, number in counts.items():
        if name.startswith("timeline."):
            _, at, result = name.split(".", 2)
            points.setdefault(int(at), Counter())[result] += number
    if not points:
        return []
    first, last = min(points), max(points)
    step = max(1, math.ceil((last - first + 1) / most))
    steps: dict[int, Counter[str]] = {}
    for second, results in points.items():
        steps.setdefault(first + (second - first) // step * step, Counter()).update(results)
    return [{"at": at, "seconds": step, **steps[at]} for at in sorted(steps)]
