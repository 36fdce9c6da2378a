"""Who works for a run says so every few seconds, and learns whether the run is still its own.

A process that was stopped may wake in a run that was taken over meanwhile. It knows before its next call: leave to call
lasts two beats (`Beats`), and who has none beats first, which reads the run's record.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol
from uuid import uuid4
from weakref import WeakSet

from ..files.create_once import read_if_there
from ..files.many import remove_folder
from ..files.patience import patience_with
from ..files.storage import join, write_whole
from ..fleet.beats import Beats, Clocks, clocks
from .layout import Layout
from .liveness import beat_seconds, launcher
from .log import entry_of

_OVER = "interrupted", "the run was taken over, or has ended"


class Watcher(Protocol):
    """Who is to stop when the run is over."""

    def trip(self, reason: str, detail: str) -> None: ...


class Listener(Protocol):
    """Who has something to look at with every beat."""

    def on_beat(self) -> None: ...


class Member:
    """A process that works for a run. Safe to use from many threads.

    Args:
      layout, run_id: the run.
      path: where it beats.
      clocks: see `Clocks`.
      patience: seconds that the store may be away.
    """

    def __init__(
        self, layout: Layout, run_id: str, path: str, clocks: Clocks = clocks, patience: float | None = None
    ) -> None:
        self._layout, self.run_id, self._path = layout, run_id, path
        patience = patience_with(layout.output) if patience is None else patience
        self.beats = Beats(beat_seconds(layout.output), self._say, clocks, patience)
        self._count, self._facts = 0, dict[str, Any]()
        self._watchers: WeakSet[Watcher] = WeakSet()
        self._listeners: WeakSet[Listener] = WeakSet()
        self.is_over = False

    def start(self) -> None:
        """Beats, now and until it is closed or the run is over; for a run that nobody started, there is no need.

        Raises:
          OSError: the first beat fails.
        """
        if entry_of(self._layout, self.run_id) is None:
            self.beats.valid_until = (math.inf, math.inf)
        else:
            self.beats.start()

    def beat(self) -> None:
        """Says that this process is there, unless the run has ended: then it stops what is to stop."""
        self.beats.beat()

    def may_call(self) -> bool:
        """Whether the run is still this process's to spend for; waits while the store is away.

        Raises:
          OSError: it is away for too long.
        """
        return self.beats.renew()

    def watch(self, watcher: Watcher) -> None:
        """Trips it when the run is over, as long as it lives."""
        self._watchers.add(watcher)
        if self.is_over:
            watcher.trip(*_OVER)

    def listen(self, listener: Listener) -> None:
        """Calls it with each beat, before there is leave to call, as long as it lives."""
        self._listeners.add(listener)

    def note(self, facts: Mapping[str, Any]) -> None:
        """Adds to what the beats say."""
        self._facts = {**self._facts, **facts}
        self.beat()

    def close(self) -> None:
        """Beats no more. What it said last stays, until the run is committed."""
        self.beats.end()

    def _say(self, is_late: bool) -> bool:
        if not self._has_ended() and self._has_written():
            for listener in list(self._listeners):
                listener.on_beat()
            return True
        self.is_over = True
        for watcher in list(self._watchers):
            watcher.trip(*_OVER)
        return False

    def _has_ended(self) -> bool:
        return read_if_there(self._layout.record(self.run_id)) is not None

    def _has_written(self) -> bool:
        """False where it cannot be, because the run ended meanwhile and somebody has removed its beats."""
        self._count += 1
        try:
            write_whole(self._path, json.dumps({"beat": self._count, **self._facts}).encode())
        except OSError:
            if self._has_ended():
                return False
            raise
        return True


class Members:
    """The runs that this process works for: one member of each, as long as somebody uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: dict[tuple[str, str], Member] = {}
        self._users: dict[tuple[str, str], int] = {}

    def join(self, output: str, run_id: str, launches: bool = False) -> Member:
        """This process as a member of a run, to be left.

        Raises:
          OSError: the first beat fails.
        """
        key, layout = (output, run_id), Layout(output)
        with self._lock:
            if key not in self._members:
                path = launcher(layout, run_id) if launches else join(layout.members(run_id), uuid4().hex)
                member = Member(layout, run_id, path)
                member.start()
                self._members[key] = member
            self._users[key] = self._users.get(key, 0) + 1
            return self._members[key]

    def leave(self, output: str, run_id: str) -> None:
        """One user less; the last one closes the member."""
        key = (output, run_id)
        with self._lock:
            self._users[key] -= 1
            if self._users[key]:
                return
            del self._users[key]
            member = self._members.pop(key)
        member.close()


MEMBERS = Members()
os.register_at_fork(after_in_child=partial(Members.__init__, MEMBERS))  # nothing beats there


def remove_members(layout: Layout, run_id: str) -> None:
    """Removes the beats of a run that has ended."""
    remove_folder(join(layout.output, "runs", run_id))
