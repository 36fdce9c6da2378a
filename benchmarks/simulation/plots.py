"""The plots of `docs/plots`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import studies
from .chart import Axis, Line, chart
from .scenarios import Result
from .studies import IMAGES, LIMIT, OUTAGE_AT, WORKERS

_PROCESSES = Axis(
    "worker processes", len(WORKERS) - 0.8, [(place + 0.1, str(number)) for place, number in enumerate(WORKERS)]
)


def write_plots(folder: Path) -> None:
    """Writes every plot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, plot in PLOTS.items():
        (folder / f"{name}.svg").write_text(plot(), encoding="utf-8")


def start() -> str:
    """200 processes from their start on."""
    given, unknown = studies.steady(200, True), studies.steady(200, False)
    lines = [
        Line("answered, rate given", _by_time(given.answered, 0, 120)),
        Line("answered, rate unknown", _by_time(unknown.answered, 0, 120)),
        Line("429, rate given", _by_time(given.refused, 0, 120)),
        Line("429, rate unknown", _by_time(unknown.refused, 0, 120)),
        Line("the limit", [(0, LIMIT), (120, LIMIT)], dashed=True),
    ]
    seconds = Axis("seconds", 120, _ticks(120, 20))
    return chart("200 processes start within 20 seconds", seconds, _calls(160), lines)


def refusals() -> str:
    """429s by the number of processes."""
    lines = [
        Line("unknown, first 5 minutes", _by_workers(lambda n: _refused(n, False, 0)), marked=True),
        Line("unknown, after 1 minute", _by_workers(lambda n: _refused(n, False, 60)), marked=True),
        Line("given, first 5 minutes", _by_workers(lambda n: _refused(n, True, 0)), marked=True),
    ]
    percent = Axis("429s, % of all calls", 40, [(value, f"{value} %") for value in range(0, 41, 10)])
    return chart("Calls refused by a limit of 100 in any second", _PROCESSES, percent, lines)


def recovery() -> str:
    """An outage of a minute."""
    lines = [Line(_processes(number), _answered_around_outage(studies.outage(number, 60))) for number in (1, 10, 200)]
    seconds = Axis("seconds; the service is away from 30 to 90", 150, _ticks(150, 30))
    limit = Line("the limit", [(0, LIMIT), (150, LIMIT)], dashed=True)
    return chart("An outage of one minute, rate given", seconds, _calls(120), [*lines, limit])


def finishing() -> str:
    """Time to finish by the number of processes."""
    lines = [
        Line("rate unknown", _by_workers(lambda n: studies.finish(n, False).finished_at), marked=True),
        Line("rate given", _by_workers(lambda n: studies.finish(n, True).finished_at), marked=True),
        Line("given, and 4 in flight", _by_workers(_small_finish), marked=True),
        Line("images / limit", [(0.1, IMAGES / LIMIT), (len(WORKERS) - 0.9, IMAGES / LIMIT)], dashed=True),
    ]
    seconds = Axis("seconds", 1000, _ticks(1000, 200))
    return chart(f"{IMAGES:,} images at 100 calls a second".replace(",", " "), _PROCESSES, seconds, lines)


PLOTS: dict[str, Callable[[], str]] = {
    "start": start,
    "refusals": refusals,
    "outage": recovery,
    "finish": finishing,
}


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def _refused(workers: int, given: bool, first: int) -> float:
    return 100 * studies.steady(workers, given).refusals(first)


def _small_finish(workers: int) -> float:
    return studies.finish(workers, True, small=workers >= 50).finished_at


def _by_workers(measure: Callable[[int], float]) -> list[tuple[float, float]]:
    return [(place + 0.1, measure(number)) for place, number in enumerate(WORKERS)]


def _by_time(counts: dict[int, int], first: int, last: int, over: int = 3) -> list[tuple[float, float]]:
    """Calls per second, the mean of `over` seconds."""
    return [
        (second - first + over / 2, sum(counts.get(second + later, 0) for later in range(over)) / over)
        for second in range(first, last - over + 1, over)
    ]


def _answered_around_outage(result: Result) -> list[tuple[float, float]]:
    return _by_time(result.answered, int(OUTAGE_AT) - 30, int(OUTAGE_AT) + 120)


def _calls(end: int) -> Axis:
    return Axis("calls a second", end, _ticks(end, 20))


def _ticks(end: int, step: int) -> list[tuple[float, str]]:
    return [(float(value), str(value)) for value in range(0, end + 1, step)]
