"""Counts by name that add up in any order, and the time line among them, which has a bounded number of steps.

A count of the time line is named `timeline.<step>.<at>.<class>`: what came in `step` seconds from the Unix time `at`.
Steps are powers of two, and begin at multiples of themselves; where the first and the last are too far apart, all
become twice as long. So the same attempts make the same steps, however they are spread and come together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

MOST_STEPS = 600
_MANY_NAMES = 1000
_TIMELINE = "timeline."


class Counts:
    """Adds up dicts of numbers. Steps are made longer when there are twice as many names as the last time."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._enough = _MANY_NAMES

    def add(self, counts: Mapping[str, int]) -> None:
        self._counts.update(counts)
        if len(self._counts) > self._enough:
            self._enough = max(_MANY_NAMES, 2 * len(self.total()))

    def total(self) -> dict[str, int]:
        """The sums, with one length of step and at most `MOST_STEPS` of them."""
        self._lengthen_steps()
        return dict(self._counts)

    def _lengthen_steps(self) -> None:
        steps = _steps(self._counts)
        seconds = _needed_seconds(steps)
        for name, step in steps.items():
            if step.seconds < seconds:
                self._counts[step_name(step.at, step.result, seconds)] += self._counts.pop(name)


class _Step(NamedTuple):
    seconds: int
    at: int
    result: str


def step_name(at: int, result: str, seconds: int = 1) -> str:
    """The name of a count of the time line: what came of an attempt in the step that `at` is in."""
    return f"{_TIMELINE}{seconds}.{at // seconds * seconds}.{result}"


def named(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    """The counts whose names begin so, by the rest of their names, in its order."""
    return {name[len(prefix) :]: counts[name] for name in sorted(counts) if name.startswith(prefix)}


def _steps(counts: Mapping[str, int]) -> dict[str, _Step]:
    parts = {name: name.split(".", 3) for name in counts if name.startswith(_TIMELINE)}
    return {name: _Step(int(seconds), int(at), result) for name, (_, seconds, at, result) in parts.items()}


def _needed_seconds(steps: Mapping[str, _Step]) -> int:
    seconds = max((step.seconds for step in steps.values()), default=1)
    first = min((step.at for step in steps.values()), default=0)
    last = max((step.at for step in steps.values()), default=0)
    while last // seconds - first // seconds >= MOST_STEPS:
        seconds *= 2
    return seconds


def pace(counts: Mapping[str, int]) -> float | None:
    """Attempts a second from the first to the last one, to a step of the time line; None where there were none."""
    begins = [step.at for step in _steps(counts).values()]
    attempts = sum(number for name, number in counts.items() if name.startswith("attempts."))
    return round(attempts / (max(begins) - min(begins) + 1), 2) if begins else None


def timeline(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Attempts by class over time, of a total: `{"at": unix seconds, "seconds": step, class: n, …}`."""
    points: dict[int, dict[str, int]] = {}
    for name, step in sorted(_steps(counts).items(), key=lambda named: named[1]):
        points.setdefault(step.at, {"at": step.at, "seconds": step.seconds})[step.result] = counts[name]
    return list(points.values())
