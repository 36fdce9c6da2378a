"""Call-rate limits of the gateway and the several forms in which its 429 was seen or may come."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal, Protocol

from . import errors
from .errors import Refusal

THROTTLE_FORMS = ("both", "header", "message", "date", "ms", "none")


@dataclass(frozen=True)
class Limit:
    """`calls` per `seconds`; `burst` is the size of a bucket (by default `calls`) and unused by `sliding`."""

    kind: Literal["sliding", "bucket"]
    calls: float
    seconds: float = 1.0
    burst: float | None = None


class Limiter(Protocol):
    def wait(self, now: float) -> float:
        """Seconds until a call would be admitted; 0 means now."""

    def take(self, now: float) -> None:
        """Counts an admitted call."""


@dataclass
class SlidingWindow:
    """At most `calls` admitted in any window of `seconds`."""

    calls: int
    seconds: float
    admitted: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        while self.admitted and self.admitted[0] <= now - self.seconds:
            self.admitted.popleft()
        return 0.0 if len(self.admitted) < self.calls else self.admitted[0] + self.seconds - now

    def take(self, now: float) -> None:
        self.admitted.append(now)


@dataclass
class TokenBucket:
    """`burst` tokens, refilled at `rate` a second; a call takes one."""

    rate: float
    burst: float
    tokens: float = field(init=False)
    filled_at: float | None = None

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def wait(self, now: float) -> float:
        if self.filled_at is not None:
            self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.rate

    def take(self, now: float) -> None:
        self.tokens -= 1


class Limits:
    """All limits together: a call is admitted by every one of them or counted by none."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limiters: list[Limiter] = [_limiter(limit) for limit in limits]

    def admit(self, now: float) -> float:
        """0 if the call is admitted (and counted), else the seconds to wait."""
        wait = max((limiter.wait(now) for limiter in self._limiters), default=0.0)
        if wait == 0:
            for limiter in self._limiters:
                limiter.take(now)
        return wait


def _limiter(limit: Limit) -> Limiter:
    if limit.kind == "sliding":
        return SlidingWindow(int(limit.calls), limit.seconds)
    return TokenBucket(limit.calls / limit.seconds, limit.burst or limit.calls)


def throttled(form: str, wait: float, version: str, wall_clock: float) -> Refusal:
    """The 429 that asks to wait `wait` seconds, rounded up to whole ones except in the form `ms`."""
    seconds = max(1, math.ceil(wait))
    told = f"Please retry after {seconds} seconds. " if form in {"both", "message"} else ""
    message = (
        f"Requests to the Analyze Operation under Computer Vision APIs ({version}) have exceeded call rate limit of "
        f"your current ComputerVision S1 pricing tier. {told}To increase your rate limit switch to a higher tier."
    )
    refusal = errors.gateway(429, message)
    if form in {"both", "header"}:
        return refusal.with_header("Retry-After", seconds)
    if form == "date":
        return refusal.with_header("Retry-After", formatdate(math.ceil(wall_clock + wait), usegmt=True))
    if form == "ms":
        return refusal.with_header("retry-after-ms", math.ceil(wait * 1000))
    return refusal
