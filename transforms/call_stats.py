"""What the calls of a run came to, in numbers that add up: counts by class, a latency histogram, a time line.

They travel as elements, so that a retried bundle is counted once; those of a run with its outcomes in the journal, so
that a try that died is counted too. Beam's own metrics (for Dataflow's pages) are reported beside them.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from uuid import uuid4

from .cost import transactions_of
from .counts import named, step_name
from .endpoint.settle import Attempt

_PROCESS = "process."
_BUCKETS_PER_OCTAVE = 8  # latency is known to 9 %
_PERCENTS = (50, 90, 99)


def this_process() -> str:
    """The name of this process, which no other has: also none that was forked from it."""
    return _name_of(os.getpid())


@cache
def _name_of(pid: int) -> str:
    return uuid4().hex


def counts_of(attempts: Iterable[Attempt], events: Mapping[str, int]) -> Counter[str]:
    """What the attempts of one call came to, and what happened in the process meanwhile."""
    counts = Counter(events)
    for number, attempt in enumerate(attempts):
        counts[f"attempts.{attempt.result}"] += 1
        counts[f"latency.{_bucket(attempt.latency)}"] += 1
        counts[step_name(int(attempt.ended_at), attempt.result)] += 1
        counts["bytes_sent"] += attempt.bytes_sent
        counts["billed_units"] += attempt.billed_units
        counts["retries"] += number > 0
        counts.update(transactions_of(attempt))
    if counts:
        counts[_PROCESS + this_process()] = 1
    return +counts


def processes_of(counts: Mapping[str, int]) -> int:
    """How many processes called: each is known by its name, however often it is counted."""
    return sum(name.startswith(_PROCESS) for name in counts)


def _bucket(seconds: float) -> int:
    return round(math.log2(max(seconds, 1e-4)) * _BUCKETS_PER_OCTAVE)


def latency_percentiles(counts: Mapping[str, int]) -> dict[str, float]:
    """`p50` and so on in seconds, from the `latency.*` counts; empty where there were no attempts."""
    buckets = sorted((int(bucket), number) for bucket, number in named(counts, "latency.").items())
    total = sum(number for _, number in buckets)
    percentiles = {}
    for percent in _PERCENTS if total else ():
        left = total * percent / 100
        for bucket, number in buckets:
            left -= number
            if left <= 0:
                percentiles[f"p{percent}"] = round(2 ** (bucket / _BUCKETS_PER_OCTAVE), 4)
                break
    return percentiles
