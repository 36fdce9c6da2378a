"""What is added up while the tables are read, a batch at a time: names, confidences, latencies. Memory is bounded."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

MOST_NAMES = 20_000  # counted at once; beyond it the rare half is forgotten
CONFIDENCE_BINS = 20
_BUCKETS_PER_OCTAVE = 2


class Names:
    """How often each name occurs. Where there are very many, rare ones may be undercounted: `is_exact` says so."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.is_exact = True

    def add(self, names: pa.ChunkedArray) -> None:
        """Takes a batch of names; nulls are left out."""
        for entry in pc.value_counts(names.drop_null()).to_pylist():
            self._counts[entry["values"]] += entry["counts"]
        if len(self._counts) > MOST_NAMES:
            self._counts = Counter(dict(self._counts.most_common(MOST_NAMES // 2)))
            self.is_exact = False

    def most_common(self, number: int) -> list[tuple[str, int]]:
        """The most frequent names; equally frequent ones by name."""
        return sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[:number]

    def __len__(self) -> int:
        return len(self._counts)


class Confidences:
    """A histogram of confidences in `CONFIDENCE_BINS` equal bins of 0 to 1."""

    def __init__(self) -> None:
        self.bins = [0] * CONFIDENCE_BINS

    def add(self, confidences: pa.ChunkedArray) -> None:
        """Takes a batch of confidences; nulls are left out."""
        scaled = pc.floor(pc.multiply(confidences.drop_null(), float(CONFIDENCE_BINS)))
        for entry in pc.value_counts(scaled).to_pylist():
            if math.isfinite(entry["values"]):
                self.bins[min(max(int(entry["values"]), 0), CONFIDENCE_BINS - 1)] += entry["counts"]

    @property
    def total(self) -> int:
        return sum(self.bins)


class Bucket(NamedTuple):
    """Latencies from `low` up to `high` seconds."""

    low: float
    high: float
    number: int


class Latencies:
    """A histogram of latencies, two buckets to a doubling."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, milliseconds: pa.ChunkedArray) -> None:
        """Takes a batch of latencies."""
        seconds = pc.max_element_wise(pc.divide(milliseconds.drop_null(), 1000.0), 1e-4)
        octaves = pc.floor(pc.multiply(pc.log2(seconds), float(_BUCKETS_PER_OCTAVE)))
        for entry in pc.value_counts(octaves).to_pylist():
            self._counts[int(entry["values"])] += entry["counts"]

    def buckets(self) -> list[Bucket]:
        """All buckets from the lowest to the highest that is not empty."""
        if not self._counts:
            return []
        everything = range(min(self._counts), max(self._counts) + 1)
        return [Bucket(_edge(number), _edge(number + 1), self._counts[number]) for number in everything]


def _edge(bucket: int) -> float:
    return float(2 ** (bucket / _BUCKETS_PER_OCTAVE))
