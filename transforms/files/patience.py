"""How long a store may be away before a run gives it up, and the pauses between tries."""

from __future__ import annotations

from collections.abc import Iterator

from .schemes import scheme_of

_AWAY, _LOCAL = 300.0, 3.0  # a disk that is full or gone comes back because somebody sees to it
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 15.0


def patience_with(output: str) -> float:
    """Seconds that the store of a folder may be away: minutes, but for a local disk."""
    return _LOCAL if scheme_of(output) is None else _AWAY


def pauses(seconds: float) -> Iterator[float]:
    """Pauses, ever longer, that add up to so many seconds."""
    pause = _FIRST_PAUSE
    while seconds > 0:
        yield min(pause, seconds)
        seconds -= pause
        pause = min(2 * pause, _LONGEST_PAUSE)
