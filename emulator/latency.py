"""How long the service takes to answer: distributions drawn from a seeded generator."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Latency:
    """Seconds from arrival to answer.

    fixed: `seconds`. uniform: `low`..`high`. lognormal: `median`, `sigma` of the logarithm. tail: `seconds`, but
    `slow` with probability `probability`.
    """

    kind: Literal["fixed", "uniform", "lognormal", "tail"] = "fixed"
    seconds: float = 0.0
    low: float = 0.0
    high: float = 0.0
    median: float = 0.0
    sigma: float = 0.5
    slow: float = 0.0
    probability: float = 0.01
    seed: int = 0

    def sampler(self) -> Callable[[], float]:
        """A fresh stream of values; equal settings give equal streams."""
        draw = random.Random(self.seed)
        if self.kind == "uniform":
            return lambda: draw.uniform(self.low, self.high)
        if self.kind == "lognormal":
            return lambda: draw.lognormvariate(math.log(self.median), self.sigma) if self.median else 0.0
        if self.kind == "tail":
            return lambda: self.slow if draw.random() < self.probability else self.seconds
        return lambda: self.seconds
