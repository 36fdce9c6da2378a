"""What a header says, by the grammar of RFC 9110 in ASCII; what does not fit the grammar was not said.

Python's own readers are far more lenient: `\\d`, `str.isdigit` and `float` know the digits of all scripts, `\\s` and
`strip` take control characters for blanks, and `email.utils` finds a date in nearly anything.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

LONGEST_DELAY = 2.0**31  # seconds; a longer one counts as this (RFC 9111, 1.2.2)
_LONGEST_TEXT, _LONGEST_SENT = 256, 1024  # characters; a key has 32 or 84
_BLANKS = " \t"

_DIGITS = re.compile(r"[0-9]+")
_TEXT = re.compile(r"[ -~]+")
_UNITS = re.compile(r"[!-+\--<>-~]+=([0-9]{1,9})")

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_DAY, _YEAR = "(?P<day>[0-9]{2})", "(?P<year>[0-9]{4})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-5][0-9]|60)"
_WEEKDAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DATES = (
    re.compile(f"{_WEEKDAY}, {_DAY} {_MONTH} {_YEAR} {_TIME} GMT"),
    re.compile(f"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, {_DAY}-{_MONTH}-(?P<short_year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(f"{_WEEKDAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} {_YEAR}"),
)


def header_text(value: str | None) -> str | None:
    """A value that may stand in a table: printable ASCII, 256 characters at most."""
    text = (value or "").strip(_BLANKS)
    return text if len(text) <= _LONGEST_TEXT and _TEXT.fullmatch(text) else None


def whole_number(value: str | None) -> float | None:
    """`1*DIGIT`, as `delay-seconds` are written; at most `LONGEST_DELAY`."""
    text = (value or "").strip(_BLANKS)
    return min(float(text), LONGEST_DELAY) if _DIGITS.fullmatch(text) else None


def http_date(value: str | None, now: float) -> float | None:
    """Unix time of an `HTTP-date` in any of its three forms.

    Args:
      now: Unix time; it tells the century of the form with two digits.
    """
    text = (value or "").strip(_BLANKS)
    match = next((match for form in _DATES if (match := form.fullmatch(text))), None)
    if match is None:
        return None
    part = match.groupdict()
    year = int(part["year"]) if "year" in part else _full_year(int(part["short_year"]), now)
    month = _MONTHS.index(part["month"]) + 1
    try:
        minute = datetime(year, month, int(part["day"]), int(part["hour"]), int(part["minute"]), tzinfo=timezone.utc)
    except ValueError:  # such as the 31st of February
        return None
    return minute.timestamp() + int(part["second"])  # a leap second has the number 60


def transactions(value: str | None) -> int | None:
    """Transactions in `CognitiveServices.ComputerVision.Transaction=1`, over all parts between commas."""
    parts = [_UNITS.fullmatch(part.strip(_BLANKS)) for part in (value or "").split(",")]
    counts = [int(part[1]) for part in parts if part]
    return sum(counts) if counts else None


def why_no_header(value: str) -> str | None:
    """Why a text cannot be a header's value, in words that do not quote it; None where it can."""
    if not value:
        return "it is empty"
    if len(value) > _LONGEST_SENT:
        return f"it has {len(value)} characters, more than {_LONGEST_SENT}"
    odd = next((number for number, character in enumerate(value, 1) if not _TEXT.fullmatch(character)), None)
    return f"its character number {odd} is not printable ASCII" if odd else None


def _full_year(short: int, now: float) -> int:
    """More than 50 years ahead is a year of the past (RFC 9110, 5.6.7)."""
    this_year = datetime.fromtimestamp(now, timezone.utc).year
    year = this_year // 100 * 100 + short
    return year - 100 if year > this_year + 50 else year
