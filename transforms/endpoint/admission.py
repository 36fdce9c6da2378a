"""The one place where calls wait: for the gate of a resource, or the first to open of several.

Callers queue in order; only the head of the queue sleeps towards a time, the others wait to become the head. So
nobody stampedes when a pause ends, a change of rate counts at once, and every event that could free the head wakes it.
Retries go first: their deadlines are the nearest. In an outage new images go first: a probe with an image that has
failed before would say less of the service. Where only failed images are left in an outage, they wait for its tail.

A gate that a systemic fault closed lets nobody pass, and the others do. Where all are closed, no call starts any more;
but if other processes reach the service (`Gate.is_sick`), images are given up no faster than they would be called.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from time import monotonic, time

from .breaker import State
from .gate import FOREVER, Cause, Gate

THROTTLING = (Cause.LIMIT, Cause.REFUSALS, Cause.SHARE)
OVERDUE = 1.0  # seconds after which a slot is taken anew


class Refused(Enum):
    """Why a call may not start."""

    TRIPPED = "tripped"
    DEADLINE = "deadline"
    TAIL = "tail"  # an outage, and nothing but images that have failed
    GIVEN_UP = "given up"  # nobody waits for the call any more


class Waiter:
    """Who waits for the outcomes of calls: their bundle, until it dies."""

    def __init__(self) -> None:
        self.has_given_up = False

    @property
    def is_over(self) -> bool:
        """Whether no call of it is to start any more; the outcome of each says so."""
        return False


class Place:
    """A place in the window of a gate: leave for one attempt, as a context manager.

    One report gives it back, also before the block's end; a block that ends without any gives it back all the same.
    """

    def __init__(self, admission: Admission, gate: Gate, started: float) -> None:
        self._admission, self.gate, self.started, self._is_held = admission, gate, started, True

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_held:
            with self._leaving():
                self.gate.breaker.unreported(self.started)

    def is_due(self, since: float) -> bool:
        """Whether leave that was had at a time still holds: not after a stall, nor without a share of the rate."""
        return self._admission.now() <= since + OVERDUE and self.gate.pacer.has_share

    def answered(self) -> None:
        """The service answered the call."""
        with self._leaving() as now:
            self.gate.answered(now, self.started)

    def throttled(self, wait: float | None) -> None:
        """The call was refused for the rate; `wait` is the pause in seconds that was asked for, if any.

        The pacer judges whether it is one for all; who reports it lets its image wait so long.
        """
        with self._leaving() as now:
            self.gate.throttled(now, self.started, wait)

    def failed(self, first_failure: float | None, why: str) -> None:
        """The call failed as in an outage; `first_failure` is when its image failed for the first time."""
        with self._leaving() as now:
            self.gate.breaker.failed(now, self.started, first_failure, why)

    def trip(self, reason: str, detail: str) -> None:
        """A systemic fault: no call of this resource starts any more."""
        with self._leaving():
            self.gate.breaker.trip(reason, detail)

    @contextmanager
    def _leaving(self) -> Iterator[float]:
        with self._admission._changing() as now:
            if self._is_held:
                self.gate.leave()
            self._is_held = False
            yield now


class Admission:
    """Lets calls start. One per process and set of resources, shared by its threads.

    Args:
      gates: of the resources, each of which may answer any call.
      clock: monotonic seconds.
    """

    def __init__(self, gates: Sequence[Gate], clock: Callable[[], float] = monotonic) -> None:
        self.gates, self.now = gates, clock
        self._lock = threading.Lock()
        self._fresh: deque[threading.Condition] = deque()
        self._retries: deque[threading.Condition] = deque()
        self._pauses = threading.Condition(self._lock)
        self._pausing = 0
        self._feeding: set[Waiter] = set()
        self._events: Counter[str] = Counter()
        self._waited = dict.fromkeys(Cause, 0.0)

    @property
    def is_closed(self) -> bool:
        """Whether systemic faults have ended all calls of this process."""
        return all(gate.is_closed for gate in self.gates)

    @property
    def is_outage(self) -> bool:
        """Whether no resource answers, as far as one knows."""
        return all(gate.breaker.is_outage for gate in self._usable())

    @property
    def has_work(self) -> bool:
        """Whether there is anything to call, or that may come."""
        return bool(self._feeding or self._fresh or self._retries or self._pausing) or any(
            gate.is_busy for gate in self.gates
        )

    def lose_patience(self, now: float) -> None:
        """An outage of a resource that lasts too long counts as permanent."""
        for gate in self.gates:
            gate.breaker.lose_patience(now)

    def first(self, now: float, avoided: Gate | None = None) -> tuple[float, Gate]:
        """When the head of the queue may start, and where: `now`, a later time, or infinity until something happens.

        One gate is avoided where there are others.
        """
        usable = self._usable()
        gates = [gate for gate in usable if gate is not avoided] or usable
        return min(((gate.earliest(now), gate) for gate in gates), key=lambda found: found[0])

    def why_closed(self) -> tuple[str, str]:
        """Reason and detail of the faults that ended the calls."""
        faults = [(gate.endpoint, gate.breaker) for gate in self.gates if gate.breaker.reason]
        if not faults:
            return "", ""
        _, first = faults[0]
        told = [f"{endpoint}: {breaker.reason}: {breaker.detail}" for endpoint, breaker in faults]
        return first.reason, first.detail if len(faults) == 1 else "; ".join(told)

    def enter(
        self, deadline: float, *, retry: bool = False, waiter: Waiter | None = None, avoided: Gate | None = None
    ) -> Place | Refused:
        """Waits for leave to start a call.

        Args:
          deadline: on the clock; who has no place by then is refused.
          retry: the image was tried before.
          waiter: who wants to know; a call that nobody waits for does not start.
          avoided: where it has failed; it goes elsewhere, if there is somewhere else.
        """
        turn = threading.Condition(self._lock)
        with self._lock:
            queue = self._retries if retry else self._fresh
            queue.append(turn)
            found = self._wait(turn, deadline, retry, waiter or Waiter(), avoided)
            queue.remove(turn)
            now = self.now()
            if isinstance(found, Gate) and not found.admit(now):
                found = Refused.TRIPPED
            self._wake_head()
        return Place(self, found, now) if isinstance(found, Gate) else found

    def trip(self, reason: str, detail: str) -> None:
        """A systemic fault that no call in flight reports: no call starts any more."""
        with self._changing():
            for gate in self.gates:
                gate.breaker.trip(reason, detail)

    def share(self, gate: Gate, rate: float | None, members: int, rank: int, others_are_well: bool) -> None:
        """What this process may call of a resource that many share; see `Gate.share`."""
        with self._changing() as now:
            gate.share(rate, members, rank, others_are_well, now, time())
            self._wake_all()

    def lower_rate(self, gate: Gate, requests_per_second: float) -> None:
        """Another user of the resource gave a rate; the lowest holds."""
        with self._changing() as now:
            gate.pacer.lower(requests_per_second, now)

    def more_to_come(self, waiter: Waiter) -> None:
        """More images are going to come: failed ones are not all that is left."""
        with self._lock:
            self._feeding.add(waiter)

    def no_more_to_come(self, waiter: Waiter) -> None:
        """All images of this one have come."""
        with self._changing():
            self._feeding.discard(waiter)

    def give_up(self, waiter: Waiter) -> None:
        """Nobody waits for these calls any more: those that have not started never do."""
        with self._changing():
            self._feeding.discard(waiter)
            waiter.has_given_up = True
            self._wake_all()

    def wake(self) -> None:
        """Who waits looks again whether it still waits for anything."""
        with self._lock:
            self._wake_all()

    def pause(self, seconds: float, waiter: Waiter | None = None) -> None:
        """Sleeps between two attempts of a call; the end of all calls ends it, and so does who gives up."""
        with self._lock:
            self._pausing += 1
            self._pauses.wait_for(lambda: self.is_closed or (waiter is not None and _is_done(waiter)), seconds)
            self._pausing -= 1

    def take_events(self) -> dict[str, int]:
        """What happened in this process since the last call of this, for the accounts.

        `waited.<cause>` and `throttled_seconds` (what more workers would not make up for) are whole seconds that the
        head of the queue waited; `closed.<endpoint>: <reason>, <who>` is a fault that ended the calls of a resource.
        """
        with self._lock:
            for gate in self.gates:
                self._events["breaker_openings"] += gate.breaker.openings
                gate.breaker.openings = 0
                if (reason := gate.fault_to_tell()) is not None:
                    who = f"{socket.gethostname()}, process {os.getpid()}"
                    self._events[f"closed.{gate.endpoint}: {reason}, {who}"] = 1
            whole = {name: int(number) for name, number in self._events.items() if number >= 1}
            self._events.subtract(whole)
        return whole

    def live(self) -> dict[str, float]:
        """For who watches: the rate that is kept to, as far as it is known, and whether the service is away.

        Also the members of the largest fleet, and `fleets` (1) to divide their sum by; seconds waited, by cause.
        """
        limit = sum(gate.pacer.rate for gate in self.gates if gate.pacer.is_known and gate.pacer.has_share)
        return {
            "limit": limit,
            "in_outage": int(bool(self._usable()) and self.is_outage),
            "members": max(gate.members for gate in self.gates),
            "fleets": 1,
            **{f"waited.{cause.value}": seconds for cause, seconds in self._waited.items()},
        }

    def _wait(
        self, turn: threading.Condition, deadline: float, retry: bool, waiter: Waiter, avoided: Gate | None
    ) -> Refused | Gate:
        while True:
            now = self.now()
            self.lose_patience(now)
            if _is_done(waiter):
                return Refused.GIVEN_UP
            if self.is_closed:
                self._wake_all()
                return Refused.TRIPPED
            is_head = self._head() is turn
            start_at, gate = self.first(now, avoided)
            gives_up_at = min(deadline, self._tail_ends() if retry else FOREVER)
            if now >= gives_up_at:
                return Refused.DEADLINE if now >= deadline else Refused.TAIL
            if is_head and start_at <= now:
                return gate
            cause = gate.cause(now)
            until = min(start_at if is_head else FOREVER, gives_up_at)
            turn.wait(min(until - now, threading.TIMEOUT_MAX))
            if is_head:
                self._note_wait(cause, self.now() - now)

    def _note_wait(self, cause: Cause, seconds: float) -> None:
        self._waited[cause] += seconds
        names = [f"waited.{cause.value}", *(["throttled_seconds"] if cause in THROTTLING else [])]
        self._events.update(dict.fromkeys(names, seconds))

    def _usable(self) -> list[Gate]:
        """The gates that may open; where this process alone reaches no service, those that it goes on to probe."""
        well = [gate for gate in self.gates if not gate.tripped]
        return well or [gate for gate in self.gates if gate.is_sick]

    def _tail_ends(self) -> float:
        if self._fresh or self._feeding:
            return FOREVER
        return max(gate.breaker.tail_ends for gate in self._usable())

    @contextmanager
    def _changing(self) -> Iterator[float]:
        """Holds the lock; on the way out, wakes who may go on."""
        with self._lock:
            try:
                yield self.now()
            finally:
                if self.is_closed:
                    self._wake_all()
                self._wake_head()

    def _head(self) -> threading.Condition | None:
        is_outage = all(gate.breaker.state is not State.CLOSED for gate in self.gates)
        first, second = (self._fresh, self._retries) if is_outage else (self._retries, self._fresh)
        return next(iter(first), None) or next(iter(second), None)

    def _wake_head(self) -> None:
        if head := self._head():
            head.notify()

    def _wake_all(self) -> None:
        for turn in (*self._fresh, *self._retries):
            turn.notify()
        self._pauses.notify_all()


def _is_done(waiter: Waiter) -> bool:
    return waiter.has_given_up or waiter.is_over
