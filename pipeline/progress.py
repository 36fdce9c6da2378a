"""How a local run is going, on stderr: a live line on a terminal, elsewhere a plain one every 30 seconds.

A thread adds up the counts that the processes of the run write (`transforms/live_counts.py`).
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple, TextIO

from tqdm import tqdm

from ..transforms.endpoint.guard import OVER_BUDGET
from ..transforms.live_counts import read_counts

REDRAW_SECONDS = 0.5
LINE_SECONDS = 30.0
PACE_SECONDS = 10.0
_WAITED, _WIDE = "waited.", 80
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
      clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._past: deque[tuple[float, int, Counter[str]]] = deque()

    def state(self, counts: Counter[str]) -> State:
        """The present state, given what is counted so far."""
        now, done = self._clock(), sum(counts[name] for name in _ENDED)
        total = counts["to_do"] - counts[OVER_BUDGET]
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


class _Piece(NamedTuple):
    """A part of the line. The highest rank is left out first where there is no room; details stand in brackets."""

    rank: int
    text: str
    is_detail: bool = False


def describe(state: State, width: int | None = None) -> str:
    """The state in words, in as many characters as there are; what matters less is left out."""
    pieces = [piece for piece in _pieces(state) if piece.text]
    while width is not None and len(pieces) > 1 and len(_line(pieces)) > width:
        pieces.remove(max(pieces))
    return _line(pieces)


def _pieces(state: State) -> Iterator[_Piece]:
    counts = state.counts
    if state.total is None:
        yield _Piece(0, "planning" + (f": {counts['listed']:,} images listed" if counts["listed"] else ""))
        return
    yield _Piece(0, f"{state.done:,} of {state.total:,}")
    yield _Piece(1, f"{state.pace:,.1f}/s")
    yield from _limits(state)
    yield _Piece(3, _time_left(state))
    yield _Piece(4, _number(counts["dead_letters"], "dead letter", "dead letters"))
    yield _Piece(5, _number(counts["deferred"], "deferred"))
    yield _Piece(8, _number(counts["throttled"], "429", "429s"))
    yield _Piece(9, _number(counts["retries"], "retry", "retries"))


def _limits(state: State) -> Iterator[_Piece]:
    if state.counts["in_outage"]:
        yield _Piece(2, "no answers: waiting for the service", is_detail=True)
        return
    limit, members = state.counts["limit"], state.counts["members"] / (state.counts["fleets"] or 1)
    yield _Piece(6, f"{min(state.calls_per_second / limit, 1):.0%} of the limit" if limit else "", is_detail=True)
    yield _Piece(7, _LIMITED_BY.get(state.limited_by, ""), is_detail=True)
    yield _Piece(10, f"{members:.0f} processes share it" if members > 1.5 else "", is_detail=True)


def _line(pieces: list[_Piece]) -> str:
    parts = [piece.text for piece in pieces if not piece.is_detail]
    if details := "; ".join(piece.text for piece in pieces if piece.is_detail):
        parts[1 if len(parts) > 1 else 0] += f" ({details})"
    return ", ".join(parts)


def _time_left(state: State) -> str:
    if state.done == state.total:
        return "writing"
    return "" if state.seconds_left is None else f"{tqdm.format_interval(state.seconds_left)} left"


def _number(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one}" if number else ""


@contextmanager
def shown(folder: Path | None, quiet: bool) -> Iterator[None]:
    """Shows, on stderr, the run that is made meanwhile in whatever processes of this machine.

    Args:
      folder: where they say how it is going.
      quiet: show nothing.
    """
    screen = sys.stderr
    if folder is None or quiet or screen is None:
        yield
        return
    over = threading.Event()
    show = _live_line if screen.isatty() else _plain_lines
    thread = threading.Thread(target=_show, args=(show, folder, Progress(), over, screen), name="progress")
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
            bar.set_description_str(describe(state, _room(screen)))


def _room(screen: TextIO) -> int | None:
    """How many characters there are beside the bar, which is longer where the terminal is wide; None if not known."""
    columns = os.get_terminal_size(screen.fileno()).columns
    bar = 12 if columns >= _WIDE else 1
    return columns - len("100 %||  ") - bar if columns else None


def _plain_lines(folder: Path, progress: Progress, over: threading.Event, screen: TextIO) -> None:
    waited = 0.0
    while not over.wait(REDRAW_SECONDS):
        state = progress.state(read_counts(folder))
        waited += REDRAW_SECONDS
        if waited >= LINE_SECONDS:
            waited = 0.0
            print(describe(state), file=screen, flush=True)
