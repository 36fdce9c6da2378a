"""Worker processes on one fake clock: each is the real `Admission` (window, pacer, breaker) under `Caller`'s rules.

Real time never passes: an event queue moves the clock, and a worker enters its admission only when `earliest` says that
it need not wait.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from image_analysis_beam.transforms.endpoint.admission import Admission, Refused
from image_analysis_beam.transforms.endpoint.breaker import State
from image_analysis_beam.transforms.endpoint.call import FIRST_BACKOFF, LONGEST_BACKOFF
from image_analysis_beam.transforms.endpoint.settings import CallSettings

from .service import Service, Status


class World:
    """The clock, what happens next, and the images that nobody has taken yet.

    Args:
      images: how many there are to analyze.
    """

    def __init__(self, service: Service, images: int) -> None:
        self.service, self.images = service, images
        self.now = 0.0
        self.handed_out_at: float | None = None
        self.finished_at = 0.0
        self.outcomes: Counter[str] = Counter()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    def clock(self) -> float:
        return self.now

    def at(self, when: float, happens: Callable[..., None], *arguments: Any) -> None:
        """Lets something happen at a time."""
        heapq.heappush(self._events, (when, next(self._order), happens, arguments))

    def run(self, until: float = float("inf")) -> None:
        """Until then, or until nothing happens any more."""
        while self._events and self._events[0][0] <= until:
            self.now, _, happens, arguments = heapq.heappop(self._events)
            happens(*arguments)

    def take_batch(self, size: int) -> int:
        """Hands out images to a worker that asks for a batch."""
        taken = min(size, self.images)
        self.images -= taken
        if self.images == 0 and self.handed_out_at is None:
            self.handed_out_at = self.now
        return taken

    def settle(self, outcome: str) -> None:
        """An image has come to its end."""
        self.outcomes[outcome] += 1
        self.finished_at = self.now


@dataclass
class Call:
    """One image at a worker."""

    deadline: float = float("inf")
    first_failure: float | None = None
    failures: int = 0


class Worker:
    """One process: takes batches, keeps its window full, follows `Caller` in what it does after each reply."""

    def __init__(self, world: World, settings: CallSettings, batch_size: int) -> None:
        self._world, self._settings, self._batch_size = world, settings, batch_size
        self._fresh: deque[Call] = deque()
        self._retries: deque[Call] = deque()
        self._held = 0
        self._wakes_at = float("inf")

    def start(self) -> None:
        """The process comes up."""
        settings = self._settings
        self._admission = Admission(
            settings.max_in_flight, settings.requests_per_second, settings.outage_patience, self._world.clock
        )
        self._go_on()

    def _go_on(self) -> None:
        self._take_batches()
        self._expire()
        while (queue := self._queue()) and self._may_start(queue[0]):
            call = queue.popleft()
            refused = self._admission.enter(call.deadline, retry=queue is self._retries)
            if refused is None:
                self._send(call)
            else:
                self._settle("deferred: outage" if refused is Refused.TRIPPED else "deferred: deadline")

    def _take_batches(self) -> None:
        while self._held < 2 * self._settings.max_in_flight:
            taken = self._world.take_batch(self._batch_size)
            if not taken:
                return
            self._held += taken
            self._fresh.extend(Call() for _ in range(taken))

    def _expire(self) -> None:
        while self._retries and self._retries[0].deadline <= self._world.now:
            self._retries.popleft()
            self._settle("deferred: deadline")

    def _queue(self) -> deque[Call] | None:
        """Retries go first, in an outage new images do."""
        is_outage = self._admission.breaker.state is not State.CLOSED
        first, second = (self._fresh, self._retries) if is_outage else (self._retries, self._fresh)
        return first or second or None

    def _may_start(self, call: Call) -> bool:
        earliest = min(self._admission.earliest(self._world.now), call.deadline)
        if earliest <= self._world.now:
            return True
        if earliest < self._wakes_at:
            self._wakes_at = earliest
            self._world.at(earliest, self._wake, earliest)
        return False

    def _wake(self, when: float) -> None:
        if when == self._wakes_at:
            self._wakes_at = float("inf")
        self._go_on()

    def _send(self, call: Call) -> None:
        started = self._world.now
        if call.deadline == float("inf"):
            call.deadline = started + self._settings.call_deadline
        self._world.at(started + self._world.service.on_the_way(), self._arrive, call, started)

    def _arrive(self, call: Call, started: float) -> None:
        status, seconds, wait = self._world.service.receive(self._world.now)
        self._world.at(self._world.now + seconds, self._hear, call, started, status, wait)

    def _hear(self, call: Call, started: float, status: Status, wait: float | None) -> None:
        if status is Status.ANSWERED:
            self._admission.answered(started)
            self._settle("analyzed")
        elif status is Status.THROTTLED:
            self._admission.throttled(started, wait)
            self._again(call)
        else:
            self._failed(call, started)
        self._go_on()

    def _failed(self, call: Call, started: float) -> None:
        outage = self._admission.failed(started, call.first_failure, "service_error")
        call.first_failure = call.first_failure or self._world.now
        if outage:
            self._again(call)
            return
        call.failures += 1
        backoff = random.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**call.failures))
        if call.failures >= self._settings.max_attempts or self._world.now + backoff >= call.deadline:
            self._settle("dead letter")
        else:
            self._world.at(self._world.now + backoff, self._again_and_go_on, call)

    def _again(self, call: Call) -> None:
        self._retries.append(call)
        self._world.at(call.deadline, self._go_on)

    def _again_and_go_on(self, call: Call) -> None:
        self._again(call)
        self._go_on()

    def _settle(self, outcome: str) -> None:
        self._held -= 1
        self._world.settle(outcome)
