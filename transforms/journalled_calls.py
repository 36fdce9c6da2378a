"""`JournalledCalls`: calls of a run whose answers are durable when they are passed on, and paid once on every try.

A batch is claimed before its first call. What its segments hold is passed on, the rest is called; answers, and dead
letters of calls that were made, go to the journal from the threads that call, and so does what is deferred, or not
settled yet, and may have been billed. What is passed on is what was read or written there. All counts travel with the
segments, each once, and nowhere else: so a try that died, or that the engine made for nothing, is counted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty
from time import monotonic
from typing import Any
from uuid import uuid4

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp

from .call_stats import counts_of, this_process
from .calls import FAILURES, STATS, Bundle, Calls, Place, emitted
from .endpoint.admission import Waiter
from .endpoint.fingerprint import request_fingerprint
from .endpoint.guard import Tally
from .endpoint.settle import Call
from .files.patience import patience_with, pauses
from .ledger.claims import Claim, Turn, batch_id
from .ledger.journal import ANSWERS, DEAD_LETTERS, UNSETTLED, JournalWriter, Segment
from .ledger.layout import Layout
from .ledger.liveness import beat_seconds
from .live_counts import live_counts, stop_run
from .packing import unpack
from .windowing import windowed


class _Try:
    """A bundle, for those of this process that wait for its claims: it has ended when its last call has."""

    def __init__(self) -> None:
        self.has_died = False
        self.calling: set[tuple[str, str]] = set()  # batch, image


_TRIES: dict[str, _Try] = {}  # bundles of this process that have not ended well, by name


def _ended_well(bundle: str) -> bool | None:
    """None while it has not ended."""
    if (found := _TRIES.get(bundle)) is None:
        return True
    return False if found.has_died and not found.calling else None


class _Work(Waiter):
    """A batch of a bundle: where its images came from that were not passed on yet; how many calls are under way.

    It gives up when its bundle does, and when another bundle has claimed the batch.
    """

    def __init__(self, bundle: Bundle, batch: str, places: list[Place], claim: Claim) -> None:
        self._bundle, self.batch, self.is_lost = bundle, batch, False
        self.places: dict[str, list[Place]] = {}
        for place in places:
            self.places.setdefault(place.image.image_id, []).append(place)
        self.window = places[0].window
        self.claim, self.under_way = claim, 0
        self.counted: set[str] = set()  # names of segments

    @property
    def has_given_up(self) -> bool:
        return self.is_lost or self._bundle.has_given_up

    @has_given_up.setter
    def has_given_up(self, value: bool) -> None:
        self.is_lost = value

    @property
    def is_over(self) -> bool:
        return self._bundle.is_over


class JournalledCalls(Calls):
    """Packed batches -> `pa.Table` (schema of `responses`), and failures and counts by tag."""

    _writer: JournalWriter | None = None
    _name = ""

    def setup(self) -> None:
        super().setup()
        output = str(self._output)
        self._folder, self._beat = Layout(output).journal(self._run_id), beat_seconds(output)
        self._patience = patience_with(output)
        self._works: dict[str, _Work] = {}
        if self._member:
            self._member.listen(self)

    def start_bundle(self) -> None:
        super().start_bundle()
        self._end_bundle()
        self._name, self._writer, self._works = uuid4().hex, JournalWriter(self._folder, patience=self._patience), {}
        self._try = _TRIES[self._name] = _Try()
        live_counts().watch(self._writer)

    def process(self, batch: bytes, window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        places = [Place(image, window, timestamp) for image, timestamp in unpack(batch)]
        asked = request_fingerprint(self._request.asking(places[0].image.asks))
        name = batch_id((place.image.image_id for place in places), asked)
        claim = Claim(self._folder, name, {place.image.image_id for place in places}, self._who(), _ended_well)
        self._works[name] = work = _Work(self._bundle, name, [place._replace(batch=name) for place in places], claim)
        yield from self._call_what_is_missing(work)
        yield from self._take_finished()
        yield from self._take_durable()

    def finish_bundle(self) -> Iterator[Any]:
        assert self._writer is not None
        self._admission.no_more_to_come(self._bundle)
        while self._bundle.pending or self._lost():
            while self._bundle.pending:
                yield from self._take(self._bundle.done.get())
                yield from self._take_durable()
            for work in self._lost():
                work.is_lost = False
                yield from self._call_what_is_missing(work)
        yield from super().finish_bundle()
        with _nothing_is_paid_that_cannot_be_kept():
            durable = self._writer.close()
        yield from self._pass_on_durable(durable)
        self._writer = None
        del _TRIES[self._name]

    def teardown(self) -> None:
        super().teardown()
        self._end_bundle()

    def on_beat(self) -> None:
        """Looks whether another bundle has claimed a batch of this one."""
        for work in list(self._works.values()):
            if work.under_way and not work.is_lost and work.claim.is_lost():
                self._admission.give_up(work)

    def _call_what_is_missing(self, work: _Work) -> Iterator[Any]:
        turn = None
        while turn is None:
            turn = yield from self._turn(work.claim)
            if turn is None:
                yield from self._pass_time(self._beat)
        yield from self._begin(work, turn)

    def _turn(self, claim: Claim) -> Generator[Any, None, Turn | None]:
        """`Claim.turn`, patiently."""
        for pause in pauses(self._patience):
            with suppress(OSError):
                return claim.turn()
            yield from self._pass_time(pause)
        with _nothing_is_paid_that_cannot_be_kept():
            return claim.turn()

    def _begin(self, work: _Work, turn: Turn) -> Iterator[Any]:
        for segment in turn.held:
            if segment.kind in (ANSWERS, DEAD_LETTERS):
                self._count(Tally(segment.rows.num_rows, segment.rows.num_rows * (segment.kind == DEAD_LETTERS)))
            yield from self._pass_on_segment(work, segment)
        missing = [places[0] for places in work.places.values()] if turn.may_call else []
        work.under_way = len(missing)
        may_be_billed = not turn.is_known and not self._settings.ambiguous_retries
        for place in missing:
            if may_be_billed:
                yield from self._ended(self._caller(place.image.asks).not_again(place.image), place)
            else:
                yield from self._submit(place)
        self._forget_if_done(work)

    def _pass_time(self, seconds: float) -> Iterator[Any]:
        """Waits, and takes meanwhile what has finished."""
        ends_at = monotonic() + seconds
        with suppress(Empty):
            while (left := ends_at - monotonic()) > 0:
                yield from self._take(self._bundle.done.get(timeout=left))
                yield from self._take_durable()

    def _run(self, bundle: Bundle, place: Place) -> None:
        calling, key = self._try.calling, (place.batch, place.image.image_id)
        calling.add(key)
        try:
            super()._run(bundle, place)
        finally:
            calling.discard(key)

    def _call(self, bundle: Bundle, place: Place) -> Call | None:
        work, writer = self._works[place.batch], self._writer
        caller = self._caller(place.image.asks)
        call = caller.analyze(place.image, work)
        if writer is not None:
            counts = counts_of(call.attempts, self._admission.take_events())
            if call.outcome is None and call.paid:
                writer.add(place.batch, caller.not_again(place.image).outcome, counts, UNSETTLED)
            else:
                _keep(call, place.batch, writer, counts)
        return None if work.is_lost and not call.has_ended else call

    def _not_made(self, place: Place) -> None:
        self._works[place.batch].under_way -= 1

    def _pass_on(self, call: Call, place: Place) -> Iterator[Any]:
        """What may be paid for is passed on when it is durable."""
        work, writer = self._works[place.batch], self._writer
        assert writer is not None
        work.under_way -= 1
        _keep(call, place.batch, writer, {})
        if not call.is_kept:
            for each in work.places.pop(place.image.image_id):
                yield emitted(call, each)
        if not work.under_way:
            writer.finish(place.batch)
        self._forget_if_done(work)

    def _take_durable(self) -> Iterator[Any]:
        assert self._writer is not None
        with _nothing_is_paid_that_cannot_be_kept():
            durable = self._writer.take()
        yield from self._pass_on_durable(durable)

    def _pass_on_durable(self, segments: list[Segment]) -> Iterator[Any]:
        works = {segment.batch: self._works[segment.batch] for segment in segments}
        for segment in segments:
            if segment.kind == UNSETTLED:  # it is settled here, or by a later try
                segment = segment._replace(rows=segment.rows[:0])
            yield from self._pass_on_segment(works[segment.batch], segment)
        for work in works.values():
            self._forget_if_done(work)

    def _pass_on_segment(self, work: _Work, segment: Segment) -> Iterator[Any]:
        """Its counts, and the rows of images that were not passed on yet; two bundles may have paid for one."""
        if segment.name not in work.counted:
            work.counted.add(segment.name)
            self._metrics.count_events(segment.counts)
            yield windowed(TaggedOutput(STATS, segment.counts), work.window)
        ids = segment.rows["image_id"].to_pylist()
        places = [(row, place) for row, image_id in enumerate(ids) for place in work.places.pop(image_id, ())]
        if not places:
            return
        rows = segment._replace(rows=segment.rows.take([row for row, _ in places]))
        if segment.kind == ANSWERS:
            yield windowed(rows.rows, work.window)
            return
        for failure, (_, place) in zip(rows.failures(), places, strict=True):
            yield windowed(TaggedOutput(FAILURES, failure), work.window, Timestamp(micros=place.timestamp))

    def _forget_if_done(self, work: _Work) -> None:
        assert self._writer is not None
        if not (work.places or work.under_way or self._writer.holds(work.batch)):
            self._works.pop(work.batch, None)

    def _lost(self) -> list[_Work]:
        return [work for work in self._works.values() if work.is_lost and not work.under_way]

    def _who(self) -> dict[str, str]:
        return {"process": this_process(), "bundle": self._name}

    def _end_bundle(self) -> None:
        """What a bundle that died leaves was paid for."""
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()
            self._writer, self._try.has_died = None, True


def _keep(call: Call, batch: str, writer: JournalWriter, counts: Mapping[str, int]) -> None:
    """Journals the outcome of a call, once it has one that is to be kept, and counts."""
    outcome = call.outcome if call.is_to_be_kept and not call.is_kept else None
    if outcome or counts:
        writer.add(batch, outcome, counts)
    call.is_kept |= outcome is not None


@contextmanager
def _nothing_is_paid_that_cannot_be_kept() -> Iterator[None]:
    """Where the journal cannot be read or written, no process of the run calls any more."""
    try:
        yield
    except Exception:
        stop_run()
        raise
