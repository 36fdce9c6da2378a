"""Decides which fault, if any, a call meets: the first rule that matches, or an outage in progress."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .behaviour import Fault, Match, Outage, Rule


@dataclass(frozen=True)
class Subject:
    """The image of a call: `key` is its URL or the hash of its bytes; sha256 and size are known once it is in hand."""

    key: str
    url: str | None = None
    sha256: str | None = None
    size: tuple[int, int] | None = None


class FaultRules:
    """Matches calls against rules in order, keeping the counts that `every` and `first` need."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [_CountingRule(rule) for rule in rules]
        self.need_picture = any(rule.match.needs_picture for rule in rules)

    def find(self, subject: Subject) -> Fault | None:
        """The fault of the first rule that matches; only that rule and those before it count the call."""
        return next((counting.rule.fault for counting in self._rules if counting.matches(subject)), None)


@dataclass
class _CountingRule:
    rule: Rule
    seen: dict[str, int] = field(default_factory=dict)

    def matches(self, subject: Subject) -> bool:
        match = self.rule.match
        if not _concerns(match, subject):
            return False
        counter = subject.key if match.per_image else ""
        count = self.seen[counter] = self.seen.get(counter, 0) + 1
        return (match.every is None or count % match.every == 0) and (match.first is None or count <= match.first)


def _concerns(match: Match, subject: Subject) -> bool:
    if match.url and not (subject.url and match.url.search(subject.url)):
        return False
    if match.sha256 and match.sha256 != subject.sha256:
        return False
    for sides, index in ((match.width, 0), (match.height, 1)):
        if sides and not (subject.size and sides[0] <= subject.size[index] <= sides[1]):
            return False
    return match.rate is None or _draw(match.seed, subject.key) < match.rate


def _draw(seed: int, key: str) -> float:
    """A number in 0..1 that depends on nothing but its arguments."""
    digest = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class OutageWatch:
    """Tells for each arrival whether the ordered outage is on."""

    def __init__(self, outage: Outage | None, clock: Callable[[], float]) -> None:
        self._outage = outage
        self._clock = clock
        self._ordered = clock()
        self._began: float | None = None
        self._arrivals = 0
        self._hit = 0

    def fault(self) -> Fault | None:
        """Counts one arrival; the outage's fault if it falls into it."""
        outage = self._outage
        if outage is None:
            return None
        now = self._clock()
        self._arrivals += 1
        if self._began is None and self._due(outage, now):
            self._began = now if outage.after_seconds is None else self._ordered + outage.after_seconds
        if self._began is None or self._over(outage, now):
            return None
        self._hit += 1
        return outage.fault

    def _due(self, outage: Outage, now: float) -> bool:
        if outage.after_calls is not None:
            return self._arrivals > outage.after_calls
        return now - self._ordered >= (outage.after_seconds or 0.0)

    def _over(self, outage: Outage, now: float) -> bool:
        if outage.calls is not None:
            return self._hit >= outage.calls
        return self._began is not None and now - self._began >= (outage.seconds or 0.0)
