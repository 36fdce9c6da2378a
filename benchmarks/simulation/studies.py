"""The questions: what many processes do to one limit, what an outage does to them, when they finish."""

from __future__ import annotations

from .scenarios import Result, Scenario, simulate

LIMIT = 100
WORKERS = (1, 10, 50, 200, 500)
SHARES = (0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0, 5.0)
OUTAGES = (20, 60, 300)
STARTED = (200, 100, 50, 20)
IMAGES = 60_000
OUTAGE_AT = 120.0


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
