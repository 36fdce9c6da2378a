"""What one member may call of a rate that many share, by the leases that it sees.

A pure state machine on given times: `lease.py` writes and lists leases, the simulation drives it on a clock of its own.

Each of n members has R / n. Members see each other late: a view is at most two beats old (`Beats`), and a lease that
was written may take up to a beat to be listed. So who comes waits three beats, until everybody counts it; who leaves
stops first and says so then; who is dead is counted until its lease has not changed for three beats. Whatever happens,
no two members divide R by numbers which together give more.

The start of a job is quicker where it is known how many processes it may have at the most, P. A newcomer that sees no
lease marked `live` calls at R / P at once; while all do so, they are within R. Two beats later it marks its own lease
`live`, so that newcomers wait from now on, and after three more beats, when it counts all that did not see the mark,
it rises to R / n. In between, R / P <= R / n, as n <= P.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

GONE_AFTER = 3  # beats without a change
WAITS = 3  # beats from a mark until it counts for everybody
STARTS_FOR = 2  # beats
TIDIED_AFTER = 60  # beats: a lease that nobody needs any more


class Mark(Enum):
    """What a lease says."""

    NEW = "new"  # calls at R / P, or not at all
    LIVE = "live"  # has R / n, or will have: who comes now waits
    TRIPPED = "tripped"  # live, but cannot reach the service


class Seen(NamedTuple):
    """A lease in a listing; `stamp` is another one after each beat."""

    member: str
    rate: float | None
    mark: Mark
    stamp: object


class Share(NamedTuple):
    """What a member may call: `rate` calls per second, 0 for none, None where no limit is known.

    `rank` is its place among the `members`, from 0. That others are well tells a fault of this process from an outage.
    """

    rate: float | None
    members: int = 1
    rank: int = 0
    others_are_well: bool = False


@dataclass
class _Other:
    lease: Seen
    changed_at: float


class Shares:
    """The share of one member.

    Args:
      name: of the member.
      rate: R, of all members together; None where it is unknown.
      at_start: R / P; None where P is unknown, or others than the processes of one job are members.
      beat: seconds.
    """

    def __init__(self, name: str, rate: float | None, at_start: float | None, beat: float) -> None:
        self._name, self._rate, self._at_start, self._beat = name, rate, at_start, beat
        self._others: dict[str, _Other] = {}
        self._since: float | None = None  # a member since then
        self._marked_at: float | None = None  # live since then
        self._starts = False

    @property
    def is_member(self) -> bool:
        """Whether it has announced itself."""
        return self._since is not None

    def mark(self, is_well: bool) -> Mark:
        """What its lease says now."""
        if not is_well:
            return Mark.TRIPPED
        return Mark.NEW if self._marked_at is None else Mark.LIVE

    def announce(self, now: float) -> None:
        """It comes, or comes again after it was late."""
        self._since, self._marked_at, self._starts = now, None, False

    def leave(self) -> None:
        """It has nothing to call."""
        self._since = None

    def see(self, now: float, leases: Iterable[Seen]) -> Share:
        """Its share after a beat that began at `now` and listed these leases, its own among them or not."""
        assert self._since is not None
        others = self._note(now, leases)
        if now == self._since:
            self._starts = self._at_start is not None and all(other.mark is Mark.NEW for other in others)
        if self._marked_at is None and (not self._starts or now - self._since >= STARTS_FOR * self._beat):
            self._marked_at = now
        members, rank = len(others) + 1, sum(other.member < self._name for other in others)
        well = bool(others) and any(other.mark is not Mark.TRIPPED for other in others)
        return Share(self._rate_of(now, others), members, rank, well)

    def forgotten(self, now: float) -> list[str]:
        """Members that have not beaten for so long that their leases may be removed."""
        limit = TIDIED_AFTER * self._beat
        return [name for name, other in self._others.items() if now - other.changed_at > limit]

    def _rate_of(self, now: float, others: list[Seen]) -> float | None:
        if self._rate is None:
            return None
        fair = min([self._rate, *(other.rate for other in others if other.rate)]) / (len(others) + 1)
        if self._marked_at is not None and now - self._marked_at >= WAITS * self._beat:
            return fair
        return min(fair, self._at_start) if self._starts and self._at_start is not None else 0.0

    def _note(self, now: float, leases: Iterable[Seen]) -> list[Seen]:
        """The others that live."""
        listed = {lease.member: lease for lease in leases if lease.member != self._name}
        for name in self._others.keys() - listed.keys():
            del self._others[name]
        for name, lease in listed.items():
            known = self._others.get(name)
            if known is None or known.lease.stamp != lease.stamp:
                self._others[name] = _Other(lease, now)
        return [other.lease for other in self._others.values() if now - other.changed_at < GONE_AFTER * self._beat]
