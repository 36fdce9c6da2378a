"""Worker processes on one fake clock: each is the real `Admission` (window, pacer, breaker) under `Caller`'s rules.

Real time never passes: an event queue moves the clock, and a worker enters its admission only when `earliest` says that
it need not wait.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from image_analysis_beam.transforms.endpoint.admission import Admission, Place, Refused, Waiter
from image_analysis_beam.transforms.endpoint.breaker import State
from image_analysis_beam.transforms.endpoint.call import FIRST_BACKOFF, LONGEST_BACKOFF, WRONG_ENDPOINT_AFTER
from image_analysis_beam.transforms.endpoint.gate import REOPENING_JITTER, Gate
from image_analysis_beam.transforms.endpoint.pacer import FIRST_PAUSE
from image_analysis_beam.transforms.endpoint.settings import CallSettings
from image_analysis_beam.transforms.fleet.lease import Lease
from image_analysis_beam.transforms.fleet.shares import Share

from .service import Service, Status

BEAT = 10.0


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

    def clocks(self) -> tuple[float, float]:
        """That count suspension, as the one and only does."""
        return self.now, self.now

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


class MemoryBoard:
    """A board of leases; what is put there is listed a little later."""

    def __init__(self, world: World, lag: float) -> None:
        self._world, self._lag, self._numbers = world, lag, count()
        self._shown: dict[str, int] = {}

    def put(self, name: str) -> None:
        self._world.at(self._world.now + random.uniform(0, self._lag), self._show, name, next(self._numbers))

    def listing(self) -> Iterator[tuple[str, object]]:
        yield from self._shown.items()

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._world.at(self._world.now + random.uniform(0, self._lag), self._shown.pop, name, None)

    def _show(self, name: str, number: int) -> None:
        self._shown[name] = max(number, self._shown.get(name, 0))


@dataclass
class Call:
    """One image at a worker."""

    deadline: float = float("inf")
    first_failure: float | None = None
    failures: int = 0
    tries: int = 0


class Worker:
    """One process: takes batches, keeps its window full, follows `Caller` in what it does after each reply.

    Args:
      start_share: of the rate, for one process, at the start, or for good where there is no board.
      rate: of all members of the board.
    """

    def __init__(
        self,
        world: World,
        settings: CallSettings,
        batch_size: int,
        start_share: float | None,
        rate: float | None = None,
        board: MemoryBoard | None = None,
    ) -> None:
        self._world, self._settings, self._batch_size = world, settings, batch_size
        self._start_share, self._rate, self._board = start_share, rate, board
        self._fresh: deque[Call] = deque()
        self._retries: deque[Call] = deque()
        self._held = 0
        self._wakes_at = float("inf")
        self._stalled_until, self._is_gone, self._is_done = 0.0, False, False
        self._lease: Lease | None = None
        self.is_cut_off = False

    def start(self) -> None:
        """The process comes up."""
        settings, now = self._settings, self._world.now
        rate = self._start_share or self._rate
        self._gate = Gate("", settings.max_in_flight, rate, settings.outage_patience, now)
        self._admission = Admission([self._gate], self._world.clock)
        self._admission.more_to_come(Waiter())
        self._take_batches()
        if self._board is not None:
            self._lease = Lease(self._board, self._rate, self._start_share, BEAT, self, self._world.clocks)
            self._beat()
        self._go_on()

    def stall(self, until: float) -> None:
        """Stops for a while, as a laptop does, with what is on its way on its way."""
        self._stalled_until = until

    def die(self) -> None:
        """Ends without a word; what it held is not seen again."""
        self._is_gone = True

    def finish(self) -> None:
        """Has nothing left, and gets no more."""
        self._held -= len(self._fresh) + len(self._retries)
        self._fresh.clear()
        self._retries.clear()
        self._is_done = True

    def has_work(self) -> bool:
        return self._held > 0

    def is_well(self) -> bool:
        return self._gate.is_well

    def take_share(self, share: Share) -> None:
        """As the lease says."""
        self._gate.share(share.rate, share.members, share.rank, share.others_are_well, self._world.now, self._world.now)
        self._world.at(self._world.now, self._go_on)

    def _beat(self) -> None:
        if self._sleeps(self._beat) or self._lease is None:
            return
        self._lease.beats.beat()
        if self._held or (self._world.images and not self._is_done) or self._lease.is_held:
            self._world.at(self._world.now + BEAT * random.uniform(1, 1.02), self._beat)

    def _sleeps(self, happens: Callable[..., None], *arguments: Any) -> bool:
        if self._world.now < self._stalled_until:
            self._world.at(self._stalled_until, happens, *arguments)
        return self._is_gone or self._world.now < self._stalled_until

    def _go_on(self) -> None:
        if self._sleeps(self._go_on):
            return
        self._take_batches()
        self._expire()
        while (queue := self._queue()) and self._may_start(queue[0]):
            call = queue.popleft()
            place = self._admission.enter(call.deadline, retry=queue is self._retries)
            if not isinstance(place, Place):
                self._settle("deferred: deadline" if place is Refused.DEADLINE else "deferred: outage")
            elif self._may_send(place):
                self._send(call, place)
            else:
                with place:
                    queue.appendleft(call)

    def _may_send(self, place: Place) -> bool:
        return (self._lease is None or self._lease.may_call()) and place.is_due(place.started)

    def _take_batches(self) -> None:
        while not self._is_done and self._held < 2 * self._settings.max_in_flight:
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
        is_outage = self._gate.breaker.state is not State.CLOSED
        first, second = (self._fresh, self._retries) if is_outage else (self._retries, self._fresh)
        return first or second or None

    def _may_start(self, call: Call) -> bool:
        if self._admission.is_closed:
            return True
        earliest = min(self._admission.first(self._world.now)[0], call.deadline)
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

    def _send(self, call: Call, place: Place) -> None:
        if call.deadline == float("inf"):
            call.deadline = self._world.now + self._settings.call_deadline
        self._world.at(self._world.now + self._world.service.on_the_way(), self._arrive, call, place)

    def _arrive(self, call: Call, place: Place) -> None:
        call.tries += 1
        if self.is_cut_off:
            self._not_sent(call, place)
            return
        status, seconds, wait = self._world.service.receive(self._world.now, is_first=call.tries == 1)
        self._world.at(self._world.now + seconds, self._hear, call, place, status, wait)

    def _hear(self, call: Call, place: Place, status: Status, wait: float | None) -> None:
        if self._sleeps(self._hear, call, place, status, wait):
            return
        if status is Status.ANSWERED:
            place.answered()
            self._settle("analyzed")
        elif status is Status.THROTTLED:
            place.throttled(wait)
            self._wait_and_again(call, wait)
        else:
            self._failed(call, place)
        self._go_on()

    def _not_sent(self, call: Call, place: Place) -> None:
        if self._gate.breaker.silent_for(self._world.now) >= WRONG_ENDPOINT_AFTER:
            place.trip("unknown_host", "no such name")
            self._again(call)
        else:
            self._failed(call, place)
        self._go_on()

    def _failed(self, call: Call, place: Place) -> None:
        place.failed(call.first_failure, "service_error")
        call.first_failure = call.first_failure or self._world.now
        call.failures += 1
        breaker = self._gate.breaker
        backoff = random.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**call.failures))
        if call.failures >= self._settings.max_attempts or self._world.now + backoff >= call.deadline:
            self._settle("dead letter" if breaker.answered_since(call.first_failure) else "deferred: outage")
        elif breaker.is_outage:
            self._again(call)
        else:
            self._world.at(self._world.now + backoff, self._again_and_go_on, call)

    def _wait_and_again(self, call: Call, wait: float | None) -> None:
        seconds = (wait or FIRST_PAUSE) * random.uniform(1, 1 + REOPENING_JITTER)
        self._world.at(min(self._world.now + seconds, call.deadline), self._again_and_go_on, call)

    def _again(self, call: Call) -> None:
        if self._is_done:
            self._held -= 1
            return
        self._retries.append(call)
        self._world.at(call.deadline, self._go_on)

    def _again_and_go_on(self, call: Call) -> None:
        self._again(call)
        self._go_on()

    def _settle(self, outcome: str) -> None:
        self._held -= 1
        self._world.settle(outcome)


class Tenant:
    """Another user of the resource: calls at random times, whatever is refused."""

    def __init__(self, world: World, rate: float, draw: random.Random) -> None:
        self._world, self._rate, self._draw = world, rate, draw

    def call(self) -> None:
        """Calls, and will again."""
        self._world.service.admit(self._world.now)
        self._world.at(self._world.now + self._draw.expovariate(self._rate), self.call)
