"""How numbers, times and foreign texts are written in the report."""

from __future__ import annotations

from datetime import datetime, timezone

LONGEST_TEXT = 4_000
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421}


def count(number: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u2009")


def confidence(value: float | None) -> str:
    """A confidence with two digits; small ones are not rounded to nothing."""
    if value is None:
        return ""
    return f"{value:.2f}" if value >= 0.005 or value == 0 else f"{value:.1g}"


def seconds(value: float) -> str:
    """A duration in the unit that reads best."""
    if value == 0:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def clock(unix: float) -> str:
    """The time of day in UTC."""
    return datetime.fromtimestamp(unix, timezone.utc).strftime("%H:%M:%S")


def moment(iso: str | None) -> str:
    """A manifest's time, for people."""
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M:%S UTC") if iso else "unknown"


def readable(text: str | None) -> str:
    """Foreign text as it can stand in a page: control characters made visible, at most `LONGEST_TEXT` of it."""
    text = text or ""
    shown = text[:LONGEST_TEXT].translate(_CONTROL_PICTURES)
    left = len(text) - LONGEST_TEXT
    return f"{shown}… ({count(left)} more characters are in the table)" if left > 0 else shown


def spelled(name: str) -> str:
    """A table's or fault's name as words."""
    return name.replace("_", " ")
