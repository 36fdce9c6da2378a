"""`Calls`: the DoFn that calls the endpoint, with a window of calls that stays full across batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp

from ..schemas.outcomes import Analyzed, Deferred
from .call_stats import counts_of
from .counts import Counts
from .endpoint.admission import Waiter
from .endpoint.call import Caller
from .endpoint.guard import Guard, Tally
from .endpoint.lane import LANES, Lanes
from .endpoint.limits import Limits
from .endpoint.request import AnalyzeRequest
from .endpoint.resource import Resource
from .endpoint.settings import CallSettings
from .endpoint.settle import Call
from .endpoint.uri import ImageRef
from .guards import GUARDS
from .live_counts import live_counts
from .member_fn import MemberFn
from .packing import unpack
from .sharing import join_fleet, shared_in
from .windowing import windowed

ANALYZED, RESPONSES, FAILURES, STATS = "analyzed", "responses", "failures", "stats"
NAMESPACE = "image_analysis_beam"


class Finished(NamedTuple):
    """A call that ended, or the bug that it met, or None where it was not to be made; and where its outcome belongs."""

    call: Call | BaseException | None
    place: Place


class Place(NamedTuple):
    """Where an image came from: its window, its timestamp in microseconds, its batch."""

    image: ImageRef
    window: Any
    timestamp: int
    batch: str = ""


class Bundle(Waiter):
    """The calls of one bundle: how many are under way, those that have finished, failures still to be settled."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self.guard = guard
        self.done: SimpleQueue[Finished] = SimpleQueue()
        self.pending = 0
        self.unsettled: list[Finished] = []

    @property
    def is_over(self) -> bool:
        return self.guard.why_stopped() is not None


class Calls(MemberFn):
    """Packed batches -> outcomes, by tag."""

    _lanes: Lanes | None = None
    _guard: Guard | None = None

    def __init__(
        self,
        output: str | None,
        run_id: str,
        request: AnalyzeRequest,
        resources: Sequence[Resource],
        settings: CallSettings,
        make_caller: Callable[..., Caller],
        limits: Limits,
    ) -> None:
        super().__init__(output, run_id)
        self._request, self._resources, self._settings, self._make_caller = request, resources, settings, make_caller
        self._limits = limits

    def setup(self) -> None:
        super().setup()
        folders = [shared_in(resource, self._output, self._run_id) for resource in self._resources]
        self._lanes = LANES.acquire(self._resources, self._settings, folders, join_fleet)
        self._admission = self._lanes.admission
        self._callers: dict[str, Caller] = {}
        if self._member:
            self._member.watch(self._admission)
        self._guard, self._tallies = GUARDS.acquire(self._limits, self._output, self._member)
        self._guard.watch(self._admission)
        self._bundle = Bundle(self._guard)
        self._metrics = _BeamMetrics()
        self._live = live_counts()
        self._live.watch(self._admission)

    def start_bundle(self) -> None:
        assert self._guard is not None
        self._admission.give_up(self._bundle)  # one that ended with calls under way has died
        self._guard.drop(self._bundle)
        self._bundle = Bundle(self._guard)
        self._admission.more_to_come(self._bundle)
        if self._lanes is not None:
            self._lanes.want()
        self._stats: dict[Any, Counts] = {}

    def process(self, batch: bytes, window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        for image, timestamp in unpack(batch):
            yield from self._submit(Place(image, window, timestamp))
        yield from self._take_finished()

    def finish_bundle(self) -> Iterator[Any]:
        self._admission.no_more_to_come(self._bundle)
        while self._bundle.pending:
            yield from self._take(self._bundle.done.get())
        yield from self._settle(at_last=True)
        self._bundle.guard.keep(self._bundle)
        if self._tallies is not None:
            self._tallies.on_beat()
        for window, stats in self._stats.items():
            if counts := stats.total():
                yield windowed(TaggedOutput(STATS, counts), window)

    def teardown(self) -> None:
        if self._lanes is not None:
            self._admission.give_up(self._bundle)
            LANES.release(self._lanes)
            self._lanes = None
        if self._guard is not None:
            self._guard.drop(self._bundle)
            if self._tallies is not None:
                self._tallies.on_beat()  # what is dropped is to be counted by who comes next
            self._guard = None
            GUARDS.release(self._limits)
        super().teardown()

    def _submit(self, place: Place) -> Iterator[Any]:
        """Hands an image to the threads; where all have enough to do, takes what has finished."""
        assert self._lanes is not None
        while self._bundle.pending >= self._lanes.threads:
            yield from self._take(self._bundle.done.get())
        self._bundle.pending += 1
        self._lanes.pool.submit(self._run, self._bundle, place)

    def _take_finished(self) -> Iterator[Any]:
        with suppress(Empty):
            while True:
                yield from self._take(self._bundle.done.get_nowait())

    def _run(self, bundle: Bundle, place: Place) -> None:
        if bundle.has_given_up:
            return
        call: Call | BaseException | None
        try:
            call = self._call(bundle, place)
        except BaseException as error:  # a bug: it has to reach the bundle's thread, or the bundle waits for ever
            call = error
        bundle.done.put(Finished(call, place))

    def _call(self, bundle: Bundle, place: Place) -> Call | None:
        """On a thread of the pool: the call of an image, or None where it is not to be made."""
        return self._caller(place.image.asks).analyze(place.image, bundle)

    def _caller(self, asks: str) -> Caller:
        """Who calls for images with these `asks`."""
        if asks not in self._callers:
            self._callers[asks] = self._make_caller(
                self._lanes,
                self._request.asking(asks),
                credentials=[resource.credential for resource in self._resources],
                may_call=self._member.may_call if self._member else None,
                guard=self._guard,
            )
        return self._callers[asks]

    def _not_made(self, place: Place) -> None:
        """A call that `_call` did not make."""

    def _take(self, finished: Finished) -> Iterator[Any]:
        """A call that ended: what can be said now."""
        self._bundle.pending -= 1
        if isinstance(finished.call, BaseException):
            raise finished.call
        if finished.call is None:
            self._not_made(finished.place)
            return
        if finished.call.outcome is None:
            self._bundle.unsettled.append(finished)
        else:
            yield from self._ended(finished.call, finished.place)
        yield from self._settle(at_last=False)

    def _settle(self, at_last: bool) -> Iterator[Any]:
        """Failures that wait for an answer to somebody else."""
        waiting, self._bundle.unsettled = self._bundle.unsettled, []
        for finished in waiting:
            assert isinstance(finished.call, Call)
            self._caller(finished.place.image.asks).settle(finished.call, at_last=at_last)
            if finished.call.outcome is None:
                self._bundle.unsettled.append(finished)
            else:
                yield from self._ended(finished.call, finished.place)

    def _ended(self, call: Call, place: Place) -> Iterator[Any]:
        """A call with an outcome."""
        assert call.outcome is not None
        self._metrics.count(call)
        is_answer = isinstance(call.outcome, Analyzed)
        if not isinstance(call.outcome, Deferred):
            self._count(Tally(1, int(not is_answer)))
        self._live.add({ANALYZED if is_answer else call.outcome.table: 1, **_live_attempts(call)})
        yield from self._pass_on(call, place)

    def _count(self, tally: Tally) -> None:
        """Images that have an answer, or are dead letters."""
        guard = self._bundle.guard
        was_stopped = guard.stopped_by is not None
        guard.count(self._bundle, tally)
        if self._tallies is not None and not was_stopped and guard.stopped_by is not None:
            self._tallies.on_beat()  # the others are to stop too

    def _pass_on(self, call: Call, place: Place) -> Iterator[Any]:
        counts = counts_of(call.attempts, self._admission.take_events())
        self._metrics.count_events(counts)
        self._stats.setdefault(place.window, Counts()).add(counts)
        yield emitted(call, place)


def emitted(call: Call, place: Place) -> Any:
    """The outcome of a call, with its tag, in the window that its image came with."""
    outcome = call.outcome if isinstance(call.outcome, Analyzed) else TaggedOutput(FAILURES, call.outcome)
    return windowed(outcome, place.window, Timestamp(micros=place.timestamp))


def _live_attempts(call: Call) -> dict[str, int]:
    number = len(call.attempts)
    if number == 1 and isinstance(call.outcome, Analyzed):
        return {"attempts": 1}
    throttled = sum(attempt.result == "throttled" for attempt in call.attempts)
    return {"attempts": number, "throttled": throttled, "retries": max(0, number - 1)}


class _BeamMetrics:
    """Beam's counters and distributions; touched on the bundle thread only, elsewhere Beam loses them."""

    def __init__(self) -> None:
        self._throttled = Metrics.counter(NAMESPACE, "cumulativeThrottlingSeconds")
        self._openings = Metrics.counter(NAMESPACE, "breaker_openings")
        self._retries = Metrics.counter(NAMESPACE, "retries")
        self._ambiguous = Metrics.counter(NAMESPACE, "ambiguous")
        self._billed_units = Metrics.counter(NAMESPACE, "billed_units")
        self._bytes_sent = Metrics.counter(NAMESPACE, "bytes_sent")
        self._latency = Metrics.distribution(NAMESPACE, "latency_ms")
        self._waited = Metrics.distribution(NAMESPACE, "wait_ms")
        self._by_name: dict[str, Any] = {}

    def count(self, call: Call) -> None:
        for number, attempt in enumerate(call.attempts):
            self._counter(f"attempts_{attempt.result}").inc()
            self._latency.update(int(attempt.latency * 1000))
            self._waited.update(int(attempt.waited * 1000))
            self._bytes_sent.inc(attempt.bytes_sent)
            if attempt.billed_units:
                self._billed_units.inc(attempt.billed_units)
            if number:
                self._retries.inc()
        if call.unanswered:
            self._ambiguous.inc(call.unanswered)

    def count_events(self, events: Mapping[str, int]) -> None:
        self._throttled.inc(events.get("throttled_seconds", 0))
        self._openings.inc(events.get("breaker_openings", 0))
        for name, number in events.items():
            if name.startswith("waited."):
                self._counter(f"limited_by_{name.removeprefix('waited.')}_seconds").inc(number)

    def _counter(self, name: str) -> Any:
        if name not in self._by_name:
            self._by_name[name] = Metrics.counter(NAMESPACE, name)
        return self._by_name[name]
