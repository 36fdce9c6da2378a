"""How long the service asks us to wait: small readers, tried in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

_IN_MESSAGE = re.compile(r"(?:retry after|try again in) (\d+(?:\.\d+)?) (second|minute|hour|day)s?", re.IGNORECASE)
_SECONDS_PER = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def wait_asked_for(headers: Mapping[str, str], message: str, now: float) -> float | None:
    """Seconds to wait from `now` (Unix time), or None where nothing was asked.

    In this order: `Retry-After` as seconds, as an HTTP date, `retry-after-ms`, the words of the message.
    """
    readers: tuple[Callable[[], float | None], ...] = (
        lambda: _number(headers.get("Retry-After")),
        lambda: _date(headers.get("Retry-After"), now),
        lambda: _milliseconds(headers.get("retry-after-ms") or headers.get("x-ms-retry-after-ms")),
        lambda: _words(message),
    )
    return next((wait for wait in (read() for read in readers) if wait is not None), None)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\s*\d{1,12}(\.\d+)?\s*", text) else None


def _date(text: str | None, now: float) -> float | None:
    if not text:
        return None
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def _milliseconds(text: str | None) -> float | None:
    number = _number(text)
    return None if number is None else number / 1000


def _words(message: str) -> float | None:
    match = _IN_MESSAGE.search(message)
    return float(match[1]) * _SECONDS_PER[match[2].lower()] if match else None
