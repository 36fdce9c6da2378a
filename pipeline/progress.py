"""How a local run is going, on stderr: a live line on a terminal, elsewhere a plain one every 30 seconds.

A thread adds up the counts that the processes of the run write (`transforms/live_counts.py`).
"""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple, TextIO

from tqdm import tqdm

from ..transforms.live_counts import read_counts

REDRAW_SECONDS = 0.5
LINE_SECONDS = 30.0
PACE_SECONDS = 10.0
_WAITED = "waited."
_LIMITED_BY = {
    "window": "limited by the window: --max_in_flight",
    "refusals": "limited by refusals",
    "share": "waiting for a share of it",
}
_ENDED = ("analyzed", "dead_letters", "deferred")


class State(NamedTuple):
    """A moment of a run. `pace`, `calls_per_second` and what calls waited for (`limit`, `window`, …) are of the last
    ten seconds; `total` is None while planning."""

    counts: Counter[str]
    done: int
    total: int | None
    pace: float
    calls_per_second: float
    limited_by: str

    @property
    def seconds_left(self) -> float | None:
        """At the present pace; None where nothing can be said."""
        if self.total is None or not self.pace:
            return None
        return (self.total - self.done) / self.pace


class Progress:
    """From counts to states and texts.

    Args:
      max_calls: how many images are called at the most; None for all.
      clock: monotonic seconds.
    """

    def __init__(self, max_calls: int | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._max_calls, self._clock = max_calls, clock
        self._past: deque[tuple[float, int, Counter[str]]] = deque()

    def state(self, counts: Counter[str]) -> State:
        """The present state, given what is counted so far."""
        now, done = self._clock(), sum(counts[name] for name in _ENDED)
        total = counts["to_do"] if self._max_calls is None else min(counts["to_do"], self._max_calls)
        self._past.append((now, done, counts))
        while now - self._past[0][0] > PACE_SECONDS and len(self._past) > 2:
            self._past.popleft()
        since, done_then, then = self._past[0]
        seconds = now - since or float("inf")
        calls = (counts["attempts"] - then["attempts"]) / seconds
        return State(counts, done, total or None, (done - done_then) / seconds, calls, _most_waited_for(counts, then))


def _most_waited_for(now: Counter[str], then: Counter[str]) -> str:
    waited = {name.removeprefix(_WAITED): now[name] - then[name] for name in now if name.startswith(_WAITED)}
    cause = max(waited, key=waited.__getitem__, default="")
    return cause if cause and waited[cause] > 0 else ""


def describe(state: State) -> str:
    """The state in words, the most important first: a narrow terminal cuts the end."""
    if state.total is None:
        return f"planning: {state.counts['listed']:,} images listed" if state.counts["listed"] else "planning"
    counts = state.counts
    parts = [f"{state.done:,} of {state.total:,}", f"{state.pace:,.1f}/s{_limit_used(state)}", _time_left(state)]
    parts += [_number(counts["dead_letters"], "dead letter", "dead letters"), _number(counts["deferred"], "deferred")]
    parts += [_number(counts["throttled"], "429", "429s"), _number(counts["retries"], "retry", "retries")]
    return ", ".join(part for part in parts if part)


def _limit_used(state: State) -> str:
    if state.counts["in_outage"]:
        return " (no answers: waiting for the service)"
    limit, members = state.counts["limit"], state.counts["members"] / (state.counts["fleets"] or 1)
    parts = [f"{min(state.calls_per_second / limit, 1):.0%} of the limit" if limit else ""]
    parts += [_LIMITED_BY.get(state.limited_by, ""), f"{members:.0f} processes share it" if members > 1.5 else ""]
    said = "; ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def _time_left(state: State) -> str:
    if state.done == state.total:
        return "writing"
    return "" if state.seconds_left is None else f"{tqdm.format_interval(state.seconds_left)} left"


def _number(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one}" if number else ""


@contextmanager
def shown(folder: Path | None, max_calls: int | None, quiet: bool) -> Iterator[None]:
    """Shows, on stderr, the run that is made meanwhile in whatever processes of this machine.

    Args:
      folder: where they say how it is going.
      max_calls: as of `Progress`.
      quiet: show nothing.
    """
    screen = sys.stderr
    if folder is None or quiet or screen is None:
        yield
        return
    over = threading.Event()
    show = _live_line if screen.isatty() else _plain_lines
    thread = threading.Thread(target=_show, args=(show, folder, Progress(max_calls), over, screen), name="progress")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _show(show: Callable[..., None], *arguments: object) -> None:
    """Whatever happens to the screen is no matter of the run's."""
    with suppress(OSError, ValueError):
        show(*arguments)


def _live_line(folder: Path, progress: Progress, over: threading.Event, screen: TextIO) -> None:
    with tqdm(total=1, file=screen, leave=False, dynamic_ncols=True, bar_format="{desc}") as bar:
        while not over.wait(REDRAW_SECONDS):
            state = progress.state(read_counts(folder))
            if state.total:
                bar.bar_format, bar.total = "{percentage:3.0f} %|{bar}| {desc}", state.total
            bar.n = min(state.done, bar.total)
            bar.set_description_str(describe(state))


def _plain_lines(folder: Path, progress: Progress, over: threading.Event, screen: TextIO) -> None:
    waited = 0.0
    while not over.wait(REDRAW_SECONDS):
        state = progress.state(read_counts(folder))
        waited += REDRAW_SECONDS
        if waited >= LINE_SECONDS:
            waited = 0.0
            print(describe(state), file=screen, flush=True)
