"""What is simulated, and what is measured."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Literal
from unittest.mock import patch
from uuid import UUID

from image_analysis_beam.emulator.limits import Limit
from image_analysis_beam.transforms.endpoint.settings import CallSettings
from image_analysis_beam.transforms.fleet import lease

from .service import Drop, Latency, Service, Status, Strays
from .world import MemoryBoard, Tenant, Worker, World

ENDLESS = 10**9
NO_STRAYS = Strays()
WARM_UP = 60.0
LAG = 0.5  # seconds until a lease is listed


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
      strays: refusals that are not for the pace.
      drop: another limit for a while.
      tenant: calls per second of another user of the resource, at random times, never tried again.
      answer: seconds that an answer takes (median).
      live: whether processes know of each other; else each has its share for good.
      cut_off: so many of the processes cannot reach the service.
      killed: when so many of the processes die.
      stalled: from when to when a tenth of the processes stands still.
      second_job: from when to when another job shares the resource, and with how many processes.
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
    strays: Strays = NO_STRAYS
    drop: Drop | None = None
    tenant: float = 0.0
    answer: float = 0.4
    live: bool = True
    cut_off: int = 0
    killed: tuple[float, int] = (0.0, 0)
    stalled: tuple[float, float] = (0.0, 0.0)
    second_job: tuple[float, float, int] | None = None


@dataclass(frozen=True)
class Result:
    """What came of it; rates and shares by the service's own count."""

    scenario: Scenario
    answered: dict[int, int]
    refused: dict[int, int]
    failed: dict[int, int]
    outcomes: dict[str, int]
    finished_at: float
    arrivals: list[float] = field(default_factory=list, repr=False)

    def most_in(self, seconds: float) -> int:
        """The most calls that arrived in so many seconds."""
        first = most = 0
        for last, when in enumerate(self.arrivals):
            while self.arrivals[first] <= when - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

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

    def between(self, first: int, last: int) -> float:
        """Calls answered per second between two moments, as a share of the limit."""
        answered = sum(self.answered.get(second, 0) for second in range(first, last))
        return answered / (last - first) / self.scenario.limit

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
    limit, latency = Limit(scenario.kind, scenario.limit), Latency(median=scenario.answer)
    service = Service(limit, draw, scenario.outage, latency, scenario.strays, scenario.drop)
    world = World(service, scenario.images)
    _start(world, scenario, draw)
    if scenario.tenant:
        Tenant(world, scenario.tenant, draw).call()
    with patch.object(lease, "uuid4", lambda: UUID(int=random.getrandbits(128))):  # members, and so their ranks
        world.run(scenario.seconds)
    counts = (dict(service.by_second[status]) for status in Status)
    return Result(scenario, *counts, dict(world.outcomes), world.finished_at, service.arrivals)


def _start(world: World, scenario: Scenario, draw: Random) -> None:
    settings = CallSettings(max_in_flight=scenario.max_in_flight)
    rate = scenario.rate
    share = rate / (scenario.planned or scenario.workers) if rate else None
    board = MemoryBoard(world, LAG) if scenario.live else None
    at_start = share if scenario.second_job is None else None  # jobs know nothing of each other's P
    workers = [Worker(world, settings, scenario.batch_size, at_start, rate, board) for _ in range(scenario.workers)]
    for worker in workers:
        world.at(draw.uniform(0, scenario.start_within), worker.start)
    for worker in workers[: scenario.cut_off]:
        worker.is_cut_off = True
    for worker in workers[: scenario.killed[1]]:
        world.at(scenario.killed[0], worker.die)
    if scenario.stalled[1]:
        for worker in workers[: max(1, scenario.workers // 10)]:
            world.at(scenario.stalled[0], worker.stall, scenario.stalled[1])
    if scenario.second_job:
        begins, ends, number = scenario.second_job
        for _ in range(number):
            worker = Worker(world, settings, scenario.batch_size, None, rate, board)
            world.at(begins + draw.uniform(0, scenario.start_within / 4), worker.start)
            world.at(ends, worker.finish)
