"""Is the service there at all? Tells an outage from the fault of single images.

A pure state machine on given times. Closed, it lets calls pass. Open, it lets none pass for a cool-down that
doubles; then half-open it lets one probe pass. Tripped, for good, it lets none pass any more.

What counts as a sign of an outage is the first failure of an image, or a later one with no answer to anybody in
between. An image that fails again while its neighbours are answered says something of itself only. So a few poison
images that fail at once, before the slower answers of their neighbours come, are told from an outage even when nothing
else is left to call.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

IN_A_ROW = 5
WINDOW = 20
FIRST_COOL_DOWN = 1.0
LONGEST_COOL_DOWN = 30.0
# Reasons that may be this process's alone.
LOCAL = {"outage", "no_credential", "unknown_host", "connection_refused", "no_proxy", "untrusted_certificate"}
TAIL = 10.0  # seconds of an outage after which images that have failed wait no longer, if nothing else is left


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    TRIPPED = "tripped"


class Breaker:
    """One per process.

    Args:
      patience: seconds that an outage may last before it trips the breaker for good.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.state = State.CLOSED
        self.reason = ""
        self.detail = ""
        self.openings = 0
        self._failed_in_a_row = 0
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._cool_down = FIRST_COOL_DOWN
        self._open_until = 0.0
        self._opened_at = 0.0
        self._outage_since: float | None = None
        self._throttled_since: float | None = None
        self._last_answer = float("-inf")
        self._first_failure: float | None = None
        self._last_failure = ""

    @property
    def is_outage(self) -> bool:
        """Whether the service is away, as far as one knows."""
        return self.state in (State.OPEN, State.HALF_OPEN)

    @property
    def is_local(self) -> bool:
        """Whether what tripped it may be a fault of this process alone."""
        return self.reason in LOCAL

    @property
    def tail_ends(self) -> float:
        """When images that have failed give up, if there is nothing else to try the service with."""
        return (self._outage_since or 0.0) + TAIL if self.is_outage else float("inf")

    def silent_for(self, now: float) -> float:
        """Seconds since the first failure where nobody was ever answered; else 0."""
        if self._first_failure is None or self.answered_since(float("-inf")):
            return 0.0
        return now - self._first_failure

    def answered_since(self, moment: float) -> bool:
        """Whether anybody was answered after a moment."""
        return self._last_answer > moment

    def opens_at(self, now: float) -> float:
        """When the next call may pass: `now`, a later time, or infinity while a probe is under way."""
        self.lose_patience(now)
        if self.state is State.OPEN and now < self._open_until:
            return min(self._open_until, self._patience_ends())
        return self._patience_ends() if self.state is State.HALF_OPEN else now

    def lose_patience(self, now: float) -> None:
        """An outage that lasts too long counts as permanent."""
        if self.is_outage and now >= self._patience_ends():
            self.trip("outage", f"no answer for {self.patience:g} s; last: {self._last_failure}")

    def admit(self, now: float) -> None:
        """A call passes; from open, it is the probe."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN

    def probe(self, now: float) -> None:
        """Although it is tripped, the next call passes, and may close it again."""
        self.state, self._opened_at, self._open_until = State.OPEN, now, now

    def answered(self, now: float, started: float) -> None:
        """The service answered (also: refused an image for its own sake, or throttled)."""
        self._last_answer = now
        if self.state is State.TRIPPED or (self.state is not State.CLOSED and started < self._opened_at):
            return
        self.state, self.reason, self.detail = State.CLOSED, "", ""
        self._failed_in_a_row, self._cool_down, self._outage_since = 0, FIRST_COOL_DOWN, None
        self._recent.append(True)

    def unreported(self, started: float) -> None:
        """An attempt told nothing; if it was the probe, another may go."""
        if self.state is State.HALF_OPEN and started >= self._opened_at:
            self.state = State.OPEN

    def failed(self, now: float, started: float, first_failure: float | None, why: str) -> None:
        """An attempt failed in a way that an outage would explain.

        Args:
          started: when the attempt started.
          first_failure: when the same image first failed, or None.
          why: for the reason, should it become an outage.
        """
        self._last_failure = why
        self._first_failure = now if self._first_failure is None else self._first_failure
        own_fault = first_failure is not None and self.answered_since(first_failure)
        if self.state is State.HALF_OPEN and started >= self._opened_at:
            self._open(now, self._cool_down if own_fault else self._cool_down * 2)
        if self.state is State.CLOSED and not own_fault:
            self._count_failure(now)

    def throttled(self, now: float, started: float) -> None:
        """The service refused for the rate: it is there, but nothing is answered for as long as this lasts."""
        if self._throttled_since is None or self._last_answer > self._throttled_since:
            self._throttled_since = now
        answer, since = self._last_answer, self._throttled_since
        self.answered(now, started)
        self._last_answer = answer
        if now - since > self.patience:
            self.trip("throttled", f"nothing but throttling for {self.patience:g} s")

    def trip(self, reason: str, detail: str) -> None:
        """Nothing passes from now on; the first reason stays."""
        if self.state is not State.TRIPPED:
            self.state, self.reason, self.detail = State.TRIPPED, reason, detail

    def _count_failure(self, now: float) -> None:
        self._outage_since = now if self._failed_in_a_row == 0 else self._outage_since
        self._failed_in_a_row += 1
        self._recent.append(False)
        if self._failed_in_a_row >= IN_A_ROW or self._half_failed():
            self._open(now, FIRST_COOL_DOWN)

    def _open(self, now: float, cool_down: float) -> None:
        if self.state is State.CLOSED:
            self.openings += 1
        self.state = State.OPEN
        self._opened_at = now
        self._cool_down = min(cool_down, LONGEST_COOL_DOWN)
        self._open_until = now + self._cool_down
        self._recent.clear()
        if self._outage_since is None:
            self._outage_since = now

    def _half_failed(self) -> bool:
        return len(self._recent) == WINDOW and self._recent.count(False) * 2 >= WINDOW

    def _patience_ends(self) -> float:
        return (self._outage_since or 0.0) + self.patience
