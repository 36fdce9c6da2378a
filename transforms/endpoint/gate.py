"""What one resource bears of this process: its pacer, its breaker, and the window of calls at once.

A pure state machine on given times; `Admission` does the waiting, for one gate or for several.
"""

from __future__ import annotations

import random
from enum import Enum

from .breaker import Breaker, State
from .pacer import Grid, Pacer

REOPENING_JITTER = 0.1
FOREVER = float("inf")
INTERRUPTED = "interrupted"  # the reason that is no fault
PROBES_EVERY = 30.0  # seconds, where this process alone cannot reach the service


class Cause(Enum):
    """What the next call waits for."""

    LIMIT = "limit"  # the rate that is given, or is being looked for
    REFUSALS = "refusals"  # a pace that refusals made
    WINDOW = "window"  # calls in flight
    OUTAGE = "outage"
    SHARE = "share"  # that the other processes have taken note of this one


class Gate:
    """One per resource and process.

    Args:
      endpoint: of the resource.
      max_in_flight: calls at once at the most; the window opens from 1 as answers come.
      requests_per_second: this process's share of the rate; None where the limit is unknown.
      outage_patience: seconds until an outage counts as permanent.
    """

    def __init__(
        self,
        endpoint: str,
        max_in_flight: int,
        requests_per_second: float | None,
        outage_patience: float,
        now: float,
    ) -> None:
        self.endpoint = endpoint
        self.pacer = Pacer(requests_per_second, now, random.random())
        self.breaker = Breaker(outage_patience)
        self.members = 1  # processes that share the rate
        self.others_are_well = False
        self._max_in_flight, self._window, self._in_flight = max_in_flight, 1, 0
        self._probed_at, self._is_told = float("-inf"), False

    @property
    def is_busy(self) -> bool:
        """Whether calls are in flight."""
        return self._in_flight > 0

    @property
    def tripped(self) -> bool:
        """Whether a systemic fault has ended the calls."""
        return self.breaker.state is State.TRIPPED

    @property
    def is_well(self) -> bool:
        """Whether no systemic fault was met, or the service has answered a probe since."""
        return not self.breaker.reason

    @property
    def is_sick(self) -> bool:
        """Whether the service is away for this process alone: it goes on at its pace, with a probe now and then."""
        return self.tripped and self.breaker.is_local and self.others_are_well

    @property
    def is_closed(self) -> bool:
        """Whether no call will pass any more."""
        return self.tripped and not self.is_sick

    def earliest(self, now: float) -> float:
        """When a call may start, or an image be given up: a time, or infinity until something happens."""
        opens_at = self.breaker.opens_at(now)
        if not self.tripped and (self._in_flight >= self._window or self.breaker.state is State.HALF_OPEN):
            return opens_at if opens_at > now else FOREVER
        return max(now, opens_at, self.pacer.next_slot(now))

    def cause(self, now: float) -> Cause:
        """What holds the next call back."""
        if self.breaker.is_outage or self.tripped:
            return Cause.OUTAGE
        if self._in_flight >= self._window:
            return Cause.WINDOW
        if not self.pacer.has_share:
            return Cause.SHARE
        return Cause.REFUSALS if self.pacer.is_held_back(now) else Cause.LIMIT

    def admit(self, now: float) -> bool:
        """Takes the slot, for a call; False where the service is away for this process and it is no time to probe."""
        self.pacer.take(now)
        if self.tripped:
            if now < self._probed_at + PROBES_EVERY:
                return False
            self._probed_at = now
            self.breaker.probe(now)
        self.breaker.admit(now)
        self._in_flight += 1
        return True

    def fault_to_tell(self) -> str | None:
        """Why it is closed for good, once; None where it is not, or was told to close."""
        is_fault = self.tripped and self.breaker.reason != INTERRUPTED
        self._is_told, was_told = is_fault, self._is_told
        return self.breaker.reason if is_fault and not was_told else None

    def leave(self) -> None:
        """A call ended, in whatever way."""
        self._in_flight -= 1

    def share(
        self, rate: float | None, members: int, rank: int, others_are_well: bool, now: float, wall: float
    ) -> None:
        """This process is one of so many that share the rate, and may call at `rate`; `wall` is the wall clock."""
        self.members, self.others_are_well = members, others_are_well
        self.pacer.is_alone = members == 1
        if rate is not None:
            self.pacer.share(rate, now, Grid(rank, max(members, 1), wall - now))

    def answered(self, now: float, started: float) -> None:
        """The service answered."""
        self.breaker.answered(now, started)
        self.pacer.answered(now)
        self._window = min(self._window + 1, self._max_in_flight)

    def throttled(self, now: float, started: float, wait: float | None) -> None:
        """The service refused for the rate, and asked for a pause, if any."""
        self.breaker.throttled(now, started)
        jitter = 1 + random.uniform(0, REOPENING_JITTER)
        self.pacer.throttled(now, started, None if wait is None else wait * jitter, random.random())
