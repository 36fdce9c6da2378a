"""The questions: what many processes do to one limit, what an outage does to them, when they finish."""

from __future__ import annotations

from dataclasses import replace

from .scenarios import Result, Scenario, simulate
from .service import Drop, Strays

LIMIT = 100
UNLIMITED = 10**6
WORKERS = (1, 10, 50, 200, 500)
SHARES = (0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0, 5.0)
OUTAGES = (20, 60, 300)
STARTED = (200, 100, 50, 20)
IMAGES = 60_000
OUTAGE_AT = CHANGE_AT = 120


def steady(workers: int, given: bool, kind: str = "sliding", seconds: float = 300.0) -> Result:
    """So many processes at the limit of 100 calls a second, with work without end."""
    rate = float(LIMIT) if given else None
    return simulate(Scenario(workers, rate, limit=LIMIT, kind=kind, seconds=seconds))  # type: ignore[arg-type]


def shared(share: float, workers: int = 200) -> Result:
    """200 processes at the limit that gives each this many calls a second."""
    limit = round(share * workers)
    return simulate(Scenario(workers, float(limit), limit=limit, seconds=300.0))


def outage(workers: int, seconds: int, given: bool = True) -> Result:
    """The service is away for so long, two minutes after the start."""
    end = OUTAGE_AT + seconds
    rate = float(LIMIT) if given else None
    return simulate(Scenario(workers, rate, limit=LIMIT, outage=(OUTAGE_AT, end), seconds=end + 180))


def finish(workers: int, given: bool, small: bool = False) -> Result:
    """60 000 images; `small` with 4 calls in flight and batches of 4, else with the defaults."""
    rate = float(LIMIT) if given else None
    size = {"max_in_flight": 4, "batch_size": 4} if small else {}
    return simulate(Scenario(workers, rate, limit=LIMIT, images=IMAGES, **size))


def fewer(started: int) -> Result:
    """The rate is shared by 200 processes, and not all of them start."""
    return simulate(Scenario(started, float(LIMIT), planned=200, limit=LIMIT, seconds=300.0))


def killed(workers: int = 200) -> Result:
    """Half of the processes die at once."""
    return simulate(
        Scenario(workers, float(LIMIT), limit=LIMIT, seconds=CHANGE_AT + 120, killed=(CHANGE_AT, workers // 2))
    )


def stalled(workers: int = 200) -> Result:
    """A tenth of the processes stands still for a minute, and wakes."""
    stands = CHANGE_AT, CHANGE_AT + 60
    return simulate(Scenario(workers, float(LIMIT), limit=LIMIT, seconds=CHANGE_AT + 180, stalled=stands))


def two_jobs(workers: int = 40) -> Result:
    """Another job of as many processes comes, and goes two minutes later."""
    second = CHANGE_AT, CHANGE_AT + 120, workers
    return simulate(Scenario(workers, float(LIMIT), limit=LIMIT, seconds=CHANGE_AT + 240, second_job=second))


def cut_off(number: int, workers: int = 4) -> Result:
    """So many of the processes cannot reach the service."""
    return simulate(Scenario(workers, 40.0, limit=40, images=5000, start_within=2.0, cut_off=number))


def stray(numbers: tuple[int, ...]) -> Result:
    """2 000 images of 50 ms, no rate given, no limit; the calls of these numbers are refused."""
    scenario = Scenario(1, limit=UNLIMITED, images=2000, answer=0.05, start_within=0.0)
    return simulate(replace(scenario, strays=Strays(numbers=numbers)))


def others(strays: Strays, seconds: float = 600.0) -> Result:
    """One process at a given rate that nobody limits, and refusals that it does not cause."""
    return simulate(Scenario(1, float(LIMIT), limit=UNLIMITED, seconds=seconds, start_within=0.0, strays=strays))


def dropped(given: bool) -> Result:
    """A limit that drops to a third for a minute; one process."""
    drop, rate = Drop(60.0, 120.0, LIMIT // 3), float(LIMIT) if given else None
    return simulate(Scenario(1, rate, limit=LIMIT, seconds=180.0, start_within=0.0, drop=drop))


def tenant(given: bool, seed: int = 1) -> Result:
    """Another user of the resource takes half of the limit, at random times."""
    rate = float(LIMIT) if given else None
    return simulate(Scenario(1, rate, limit=LIMIT, seconds=300.0, start_within=0.0, tenant=LIMIT / 2, seed=seed))


def alone(limit: int, rate: float | None, workers: int = 1) -> Result:
    """A few processes and a limit."""
    return simulate(Scenario(workers, rate, limit=limit, seconds=300.0, start_within=0.0))
