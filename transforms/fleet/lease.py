"""The lease of a process on its share of a resource, which it puts on a board anew with every beat.

Its name says all that the others need, `<member>,<R>,<mark>`: a beat costs two requests, however many there are.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from typing import Protocol
from uuid import uuid4

from .beats import Beats, Clocks, clocks
from .board import Board
from .shares import Mark, Seen, Share, Shares

_NAME = re.compile(r"([0-9a-f]{32}),([^,/]+),(new|live|tripped)")


class Holder(Protocol):
    """Who calls by the lease."""

    def has_work(self) -> bool: ...

    def is_well(self) -> bool: ...

    def take_share(self, share: Share) -> None: ...


class Lease:
    """One of a process and a resource. Safe to use from many threads.

    Args:
      board: where the leases of all members are.
      rate, at_start: as of `Shares`.
      beat: seconds from one beat to the next.
      holder: is told of every share; has none before the first one, and none while it has nothing to call.
      patience: seconds that the board may be away.
    """

    def __init__(
        self,
        board: Board,
        rate: float | None,
        at_start: float | None,
        beat: float,
        holder: Holder,
        clocks: Clocks = clocks,
        patience: float = 0.0,
    ) -> None:
        self._board, self._rate, self._holder, self._clocks = board, rate, holder, clocks
        self._member, self._name, self._is_idle = uuid4().hex, "", True
        self._none = Share(None if rate is None else 0.0)
        self._shares = Shares(self._member, rate, at_start, beat)
        self.beats = Beats(beat, self._beat, clocks, patience)
        holder.take_share(self._none)

    def start(self) -> None:
        """Beats, now and until it is closed.

        Raises:
          OSError: the first beat fails.
        """
        self.beats.start()

    @property
    def is_held(self) -> bool:
        """Whether it is on the board."""
        return self._shares.is_member

    def may_call(self) -> bool:
        """Whether what it knows of the others is fresh; beats first if not, and may have lost its share then.

        Raises:
          OSError: that cannot be known.
        """
        return self.beats.renew()

    def want(self) -> None:
        """There is something to call again."""
        if not self.is_held:
            self.beats.hurry()

    def close(self) -> None:
        """Gives the share back."""
        self.beats.end()
        with suppress(OSError):
            self._leave()

    def _beat(self, is_late: bool) -> bool:
        now, _ = self._clocks()
        if is_late:
            self._holder.take_share(self._none)
            self._shares.leave()
        has_work, was_idle = self._holder.has_work(), self._is_idle
        self._is_idle = not has_work
        if has_work and not self.is_held:
            self._shares.announce(now)
        elif not has_work and was_idle:
            self._leave()
        if self.is_held:
            self._holder.take_share(self._renewed(now))
        return True

    def _renewed(self, now: float) -> Share:
        """Its share; what it says of itself may change by what it sees, and who comes now is to know at once."""
        self._put()
        listed = {name: seen for name, stamp in self._board.listing() if (seen := _seen(name, stamp))}
        share = self._shares.see(now, listed.values())
        if self._name != self._name_now():
            self._put()
        former = {name for name, seen in listed.items() if seen.member == self._member and name != self._name}
        gone = set(self._shares.forgotten(now))
        self._board.remove(former | {name for name, seen in listed.items() if seen.member in gone})
        return share

    def _put(self) -> None:
        self._name = self._name_now()
        self._board.put(self._name)

    def _name_now(self) -> str:
        mark = self._shares.mark(self._holder.is_well())
        return f"{self._member},{'-' if self._rate is None else repr(float(self._rate))},{mark.value}"

    def _leave(self) -> None:
        self._holder.take_share(self._none)
        self._shares.leave()
        if self._name:
            name, self._name = self._name, ""
            self._board.remove([name])


def _seen(name: str, stamp: object) -> Seen | None:
    facts = _facts(name)
    return Seen(*facts, stamp) if facts else None


@lru_cache(maxsize=10_000)
def _facts(name: str) -> tuple[str, float | None, Mark] | None:
    match = _NAME.fullmatch(name)
    return (match[1], None if match[2] == "-" else float(match[2]), Mark(match[3])) if match else None
