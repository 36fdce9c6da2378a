"""How long the service asks us to wait: small readers, tried in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .headers import LONGEST_DELAY, http_date, whole_number

_IN_MESSAGE = re.compile(
    r"(?:retry after|try again in) (\d+(?:\.\d+)?) (second|minute|hour|day)s?", re.IGNORECASE | re.ASCII
)
_SECONDS_PER = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def wait_asked_for(headers: Mapping[str, str], message: str, now: float) -> float | None:
    """Seconds to wait from `now` (Unix time), from 0 to `LONGEST_DELAY`, or None where nothing was asked.

    In this order: `Retry-After` as seconds, as an HTTP date, `retry-after-ms`, the words of the message.
    """
    readers: tuple[Callable[[], float | None], ...] = (
        lambda: whole_number(headers.get("Retry-After")),
        lambda: _until(http_date(headers.get("Retry-After"), now), now),
        lambda: _milliseconds(headers.get("retry-after-ms")),
        lambda: _milliseconds(headers.get("x-ms-retry-after-ms")),
        lambda: _words(message),
    )
    return next((wait for wait in (read() for read in readers) if wait is not None), None)


def _until(date: float | None, now: float) -> float | None:
    return None if date is None else min(max(0.0, date - now), LONGEST_DELAY)


def _milliseconds(value: str | None) -> float | None:
    number = whole_number(value)
    return None if number is None else number / 1000


def _words(message: str) -> float | None:
    match = _IN_MESSAGE.search(message)
    return min(float(match[1]) * _SECONDS_PER[match[2].lower()], LONGEST_DELAY) if match else None
