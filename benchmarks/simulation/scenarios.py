"""What is simulated, and what is measured."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from image_analysis_beam.emulator.limits import Limit
from image_analysis_beam.pipeline.workers import rate_share
from image_analysis_beam.transforms.endpoint.settings import CallSettings

from .service import Service, Status
from .world import Worker, World

ENDLESS = 10**9
WARM_UP = 60.0


@dataclass(frozen=True)
class Scenario:
    """So many processes against a limit.

    Args:
      workers: processes that start.
      rate: `--requests_per_second` of the job; None where it is left out.
      planned: processes that the rate is shared by; `workers` where left out.
      limit: calls in a second that the service admits.
      kind: `sliding` (any second) or `bucket` (a second's worth of tokens).
      images: how many there are; endless where left out.
      seconds: when to stop looking.
      start_within: the processes come up at random times within so many seconds.
      outage: from when to when the service is away.
      max_in_flight, batch_size: as the flags.
    """

    workers: int
    rate: float | None = None
    planned: int | None = None
    limit: int = 100
    kind: Literal["sliding", "bucket"] = "sliding"
    images: int = ENDLESS
    seconds: float = float("inf")
    start_within: float = 20.0
    outage: tuple[float, float] = (0.0, 0.0)
    max_in_flight: int = 64
    batch_size: int = 32
    seed: int = 1


@dataclass(frozen=True)
class Result:
    """What came of it; rates and shares by the service's own count."""

    scenario: Scenario
    answered: dict[int, int]
    refused: dict[int, int]
    failed: dict[int, int]
    outcomes: dict[str, int]
    finished_at: float

    @property
    def last_second(self) -> int:
        return int(min(self.scenario.seconds, self.finished_at))

    def rate(self, first: float = WARM_UP) -> float:
        """Calls answered per second from `first` to the end, as a share of the limit."""
        seconds = range(int(first), self.last_second)
        return sum(self.answered.get(second, 0) for second in seconds) / len(seconds) / self.scenario.limit

    def refusals(self, first: float = 0.0) -> float:
        """The share of 429s in all calls that were not lost to an outage, from `first` on."""
        refused = sum(number for second, number in self.refused.items() if second >= first)
        answered = sum(number for second, number in self.answered.items() if second >= first)
        return refused / max(1, refused + answered)

    def recovered_after(self, share: float = 0.9) -> int | None:
        """Seconds from the outage's end until five seconds in a row bring this share of the limit."""
        end = int(self.scenario.outage[1])
        enough = 5 * share * self.scenario.limit
        recovered = (
            second - end
            for second in range(end, self.last_second - 5)
            if sum(self.answered.get(later, 0) for later in range(second, second + 5)) >= enough
        )
        return next(recovered, None)


@cache
def simulate(scenario: Scenario) -> Result:
    """Runs a scenario; the same one gives the same result."""
    draw = Random(scenario.seed)
    random.seed(scenario.seed)  # the jitter of `Admission`
    service = Service(Limit(scenario.kind, scenario.limit), draw, scenario.outage)
    world = World(service, scenario.images)
    share = rate_share(scenario.rate, scenario.planned or scenario.workers)
    settings = CallSettings(max_in_flight=scenario.max_in_flight, requests_per_second=share)
    for _ in range(scenario.workers):
        worker = Worker(world, settings, scenario.batch_size)
        world.at(draw.uniform(0, scenario.start_within), worker.start)
    world.run(scenario.seconds)
    counts = (dict(service.by_second[status]) for status in Status)
    return Result(scenario, *counts, dict(world.outcomes), world.finished_at)
