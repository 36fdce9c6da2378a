"""What the calls of a run came to, in numbers that add up: counts by class, a latency histogram, a time line.

Gathered on the bundle thread from finished calls and emitted as an element, so a retried bundle is counted once. Beam's
own metrics (for Dataflow's pages) are reported beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from .cost import transactions_of
from .counts import Counts, step_name
from .endpoint.settle import Attempt

_BUCKETS_PER_OCTAVE = 8  # latency is known to 9 %


class CallStats:
    """Sums over finished attempts; `as_counts` is what travels."""

    def __init__(self) -> None:
        self._counts = Counts()

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Takes the attempts of one call."""
        self._counts.add(counts_of(attempts))

    def add_events(self, events: Mapping[str, int]) -> None:
        """Takes what happened in the process."""
        self._counts.add(events)

    def as_counts(self) -> dict[str, int]:
        """Name -> number, to be added up over bundles."""
        return {name: number for name, number in self._counts.total().items() if number}


def counts_of(attempts: Iterable[Attempt]) -> Counter[str]:
    """What the attempts of one call came to."""
    counts: Counter[str] = Counter()
    for number, attempt in enumerate(attempts):
        counts[f"attempts.{attempt.result}"] += 1
        counts[f"latency.{_bucket(attempt.latency)}"] += 1
        counts[step_name(int(attempt.ended_at), attempt.result)] += 1
        counts["bytes_sent"] += attempt.bytes_sent
        counts["billed_units"] += attempt.billed_units
        counts["retries"] += number > 0
        counts.update(transactions_of(attempt))
    return counts


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
