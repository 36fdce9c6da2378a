"""What ends the calls of a step although images are left: limits as they are given, checked."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from .errors import MANY, ConfigurationError, check_positive, check_type, check_whole

LEAST_SAMPLE = 100  # settled images, before a share of them is judged
MOST_SECONDS = 366 * 86_400
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhd]?)")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")


class DeadLetterLimit(NamedTuple):
    """How many dead letters there may be: a number, or a share in per cent of the images that are settled."""

    text: str
    number: int | None
    percent: Decimal | None

    def is_passed(self, dead: int, settled: int, of_all: bool = False) -> bool:
        """Whether there are more, so far, or `of_all` images that are settled in the end."""
        if self.percent is None:
            return dead > (self.number or 0)
        return (of_all or settled >= LEAST_SAMPLE) and 100 * dead > self.percent * settled


class Limits(NamedTuple):
    """The limits of a step. `seconds` of it are told as `time`; `ends_at` is Unix time. `step` is a name of its own."""

    dead_letters: DeadLetterLimit | None = None
    seconds: float | None = None
    time: str = ""
    ends_at: float | None = None
    step: str = ""


def limits_of(max_dead_letters: int | str | None, max_time: float | str | None) -> Limits:
    """The limits as they are given.

    Raises:
      ConfigurationError: one cannot be meant.
    """
    check_type("max_dead_letters", max_dead_letters, (int, str, type(None)), "for example 1000 or '5%'")
    check_type("max_time", max_time, (int, float, str, type(None)), "for example '8h'")
    letters = None if max_dead_letters is None else dead_letter_limit(max_dead_letters)
    if max_time is None:
        return Limits(letters)
    return Limits(letters, seconds_of("max_time", max_time), str(max_time).strip())


def dead_letter_limit(given: int | str) -> DeadLetterLimit:
    """`N` or `P%`.

    Raises:
      ConfigurationError: it is neither.
    """
    text = str(given).strip()
    if match := _SHARE.fullmatch(text):
        if (percent := Decimal(match[1])) >= 100:
            raise _no_limit(text)
        return DeadLetterLimit(text, None, percent)
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise _no_limit(text)
    check_whole("max_dead_letters", int(text), 0, MANY, "leave it out for no limit")
    return DeadLetterLimit(text, int(text), None)


def seconds_of(name: str, given: float | str) -> float:
    """A duration: a number of seconds, or one with a unit: s, m, h, d.

    Raises:
      ConfigurationError: it is none, or out of range.
    """
    seconds = given
    if isinstance(given, str):
        match = _DURATION.fullmatch(given.strip())
        if match is None:
            raise ConfigurationError(
                f"{name} {given!r}", "it is a number of seconds, or one with a unit: s, m, h or d", "for example 8h"
            )
        seconds = float(match[1]) * _UNITS[match[2]]
    check_positive(name, float(seconds), MOST_SECONDS, "for example 8h")
    return float(seconds)


def _no_limit(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"max_dead_letters {text!r}",
        "it is a whole number, or a share from 0% to below 100%",
        "for example 1000 or 5%",
    )
