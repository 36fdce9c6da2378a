"""The guard of a step in this process, one for all its DoFns; and what the processes of a run tell each other for it.

Each process says what it has counted in the name of a small file, which stays when it has gone; one that has seen too
many dead letters says so to all. What was counted in a process that was killed is counted again where its work is done.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from functools import partial
from uuid import uuid4

from .endpoint.guard import Guard, Tally
from .endpoint.limits import Limits
from .fleet.board import Board, FolderBoard
from .ledger.layout import Layout
from .ledger.members import Member

_NAME = re.compile(r"([0-9a-f]{32}|stop),(\d{1,18}),(\d{1,18})")
_STOP = "stop"


class Tallies:
    """The counts of one process among those of the others. Safe to use from many threads."""

    def __init__(self, board: Board, guard: Guard) -> None:
        self._board, self._guard, self._lock = board, guard, threading.Lock()
        self._member, self._name, self._has_told = uuid4().hex, "", False

    def on_beat(self) -> None:
        """Tells the others, and learns of them; where that cannot be, at the next beat."""
        with self._lock, suppress(OSError):
            self._tell()
            self._learn()
            if self._guard.stopped_by is not None and not self._has_told:
                self._board.put(_name(_STOP, self._guard.stopped_by))
                self._has_told = True

    def _tell(self) -> None:
        name, former = _name(self._member, self._guard.tally), self._name
        if name != former:
            self._board.put(name)
            self._name = name
            if former:
                self._board.remove([former])

    def _learn(self) -> None:
        found: dict[str, Tally] = {}
        for name, _ in self._board.listing():
            if match := _NAME.fullmatch(name):
                tally = Tally(int(match[2]), int(match[3]))
                found[match[1]] = max(tally, found.get(match[1], tally))
        stopped_by = found.pop(_STOP, None)
        found.pop(self._member, None)
        if stopped_by is not None:
            self._has_told = True
            self._guard.stop(stopped_by)
        self._guard.see(Tally(sum(each.settled for each in found.values()), sum(each.dead for each in found.values())))


def _name(member: str, tally: Tally) -> str:
    return f"{member},{tally.settled},{tally.dead}"


class Guards:
    """The guards of this process: there as long as somebody uses them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guards: dict[Limits, tuple[Guard, Tallies | None]] = {}
        self._users: dict[Limits, int] = {}

    def acquire(self, limits: Limits, output: str | None, member: Member | None) -> tuple[Guard, Tallies | None]:
        """The guard of a step, to be released; and what it tells the others, where there may be any."""
        with self._lock:
            if limits not in self._guards:
                guard, tallies = Guard(limits), None
                if guard.counts and output is not None and member is not None:
                    tallies = Tallies(FolderBoard(Layout(output).tallies(member.run_id)), guard)
                    member.listen(tallies)
                self._guards[limits] = guard, tallies
            self._users[limits] = self._users.get(limits, 0) + 1
            return self._guards[limits]

    def release(self, limits: Limits) -> None:
        """One user less; who comes after the last one starts afresh."""
        with self._lock:
            self._users[limits] -= 1
            if not self._users[limits]:
                del self._users[limits], self._guards[limits]


GUARDS = Guards()
os.register_at_fork(after_in_child=partial(Guards.__init__, GUARDS))  # what it counts is told by the parent
