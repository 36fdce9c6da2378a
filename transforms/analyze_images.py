"""`AnalyzeImages`: calls the endpoint for each image, with a window of calls that stays full across batches.

The DoFn hands images to a pool of threads and emits what has finished; it waits only when the window is full. One
pacer, breaker, window and connection pool serve a worker process, whatever the number of its harness threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ClassVar
from weakref import WeakSet

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.shared import Shared

from ..schemas.outcomes import Analyzed, DeadLetter, Deferred
from .call_stats import CallStats
from .endpoint.admission import Events
from .endpoint.call import Call, Caller, RateLimiter
from .endpoint.client import check_endpoint
from .endpoint.credentials import Credential, EnvironmentKey
from .endpoint.errors import ConfigurationError
from .endpoint.request import AnalyzeRequest
from .endpoint.settings import CallSettings
from .endpoint.uri import ImageRef
from .live_counts import live_counts
from .records import at_end_of_bundle, pack, unpack
from .storage import open_bytes

ANALYZED, DEAD_LETTERS, DEFERRED, STATS = "analyzed", "dead_letters", "deferred", "stats"
NAMESPACE = "image_analysis_beam"
_TAGS = {Analyzed: ANALYZED, DeadLetter: DEAD_LETTERS, Deferred: DEFERRED}


class UnhandledFailure(Exception):
    """An image failed and nobody asked for the failures."""


class AnalyzeImages(beam.PTransform):
    """PCollection of `ImageRef` or URI text -> dict of PCollections.

    `analyzed`: `Analyzed`, one per answered image, as they finish.
    `deferred`: `Deferred`, images that were not answered through no fault of theirs.
    `stats`: dict of counts, to be added up.
    With `error_handling={"output": NAME}`, also NAME: `DeadLetter`, images that failed for good.

    With an error handler (`with_error_handler`) dead letters go there. With neither, a dead letter or a deferred image
    fails the pipeline instead of vanishing.

    Args:
      request: what is asked of every image.
      endpoint: URL of the Azure AI Vision resource.
      credential: who we are; the key in the worker's `VISION_KEY` if left out.
      settings: how calls are made; the rate in it is one process's share.
      batch_size: images that travel together to a worker.
      run_id: stamped on every outcome.
      rate_limiter: a Beam `RateLimiter` shared with other jobs; asked before every attempt.
      error_handling: as in Beam YAML.
      allow_insecure_endpoint: lets the key go over plain http to another machine.

    Raises:
      ConfigurationError: a setting cannot work; raised here, before anything is spent.
    """

    def __init__(
        self,
        request: AnalyzeRequest,
        endpoint: str,
        *,
        credential: Credential | None = None,
        settings: CallSettings | None = None,
        batch_size: int = 32,
        run_id: str = "",
        rate_limiter: RateLimiter | None = None,
        error_handling: Mapping[str, str] | None = None,
        allow_insecure_endpoint: bool = False,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ConfigurationError(f"batch_size {batch_size}", "it is at least 1", "the default is 32")
        if error_handling is not None and not _names_an_output(error_handling):
            raise ConfigurationError(
                f"error_handling {dict(error_handling)}",
                f"it names an output other than {ANALYZED}, {DEFERRED} and {STATS}",
                "use {'output': 'dead_letters'}",
            )
        self._request, self._settings = request, settings or CallSettings()
        self._endpoint = check_endpoint(endpoint, allow_insecure_endpoint)
        self._credential, self._run_id, self._rate_limiter = (
            credential or EnvironmentKey(),
            run_id,
            rate_limiter,
        )
        self._batch_size, self._error_handling = batch_size, error_handling
        self._error_handler: Any = None

    def with_error_handler(self, error_handler: Any) -> AnalyzeImages:
        """Sends dead letters to a Beam `ErrorHandler`."""
        self._error_handler = error_handler
        return self

    def expand(self, images: beam.PCollection) -> dict[str, beam.PCollection]:
        make_caller = partial(
            Caller,
            self._endpoint,
            self._request,
            self._credential,
            self._settings,
            open_bytes,
            self._run_id,
            self._rate_limiter,
        )
        # Twice the window: some threads read images or pause between attempts while the window is full.
        calls = _Calls(make_caller, 2 * self._settings.max_in_flight)
        outputs = (
            images
            | "Batch" >> beam.BatchElements(min_batch_size=self._batch_size, max_batch_size=self._batch_size)
            | "Pack" >> beam.Map(pack)
            | "Spread" >> beam.Reshuffle()
            | "Call" >> beam.ParDo(calls).with_outputs(DEAD_LETTERS, DEFERRED, STATS, main=ANALYZED)
        )
        result = {name: outputs[name] for name in (ANALYZED, DEFERRED, STATS)}
        if self._error_handling is not None:
            result[self._error_handling["output"]] = outputs[DEAD_LETTERS]
        elif self._error_handler is not None:
            self._error_handler.add_error_pcollection(outputs[DEAD_LETTERS])
        else:
            failures = (outputs[DEAD_LETTERS], outputs[DEFERRED]) | "Failures" >> beam.Flatten()
            failures | "FailOnFailure" >> beam.Map(_raise)
        return result

    def display_data(self) -> dict[str, Any]:
        settings = {name: value for name, value in vars(self._settings).items() if name != "timeouts"}
        shown = {
            **self._request.query(),
            **settings,
            **vars(self._settings.timeouts),
            "endpoint": self._endpoint,
        }
        return {name: "none" if value is None else value for name, value in shown.items()} | {
            "batch_size": self._batch_size
        }


def _names_an_output(error_handling: Mapping[str, str]) -> bool:
    return set(error_handling) == {"output"} and error_handling["output"] not in (ANALYZED, DEFERRED, STATS)


def _raise(failure: DeadLetter | Deferred) -> None:
    what = failure.fault_class if isinstance(failure, DeadLetter) else failure.reason
    raise UnhandledFailure(
        f"{failure.image_uri}: {what}; to keep such images, use error_handling={{'output': …}} or with_error_handler(…)"
    )


class _Process:
    """What one worker process shares: the caller and its threads."""

    alive: ClassVar[WeakSet[_Process]] = WeakSet()

    def __init__(self, caller: Caller, threads: int) -> None:
        self.caller = caller
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="analyze")
        self.alive.add(self)
        live_counts().watch(caller.admission.live)


def defer_the_rest(reason: str, detail: str) -> bool:
    """Ends the calls of this worker process as a systemic fault would; whether there were any to end."""
    processes = list(_Process.alive)
    for process in processes:
        process.caller.admission.trip(reason, detail, leaving=False)
    return bool(processes)


class _Calls(beam.DoFn):
    """Packed batches of `ImageRef` or URI text -> outcomes, by tag."""

    def __init__(self, make_caller: Callable[[], Caller], threads: int) -> None:
        self._make_caller, self._threads = make_caller, threads
        self._shared = Shared()

    def setup(self) -> None:
        self._process: _Process = self._shared.acquire(lambda: _Process(self._make_caller(), self._threads))
        self._metrics = _BeamMetrics()
        self._live = live_counts()

    def start_bundle(self) -> None:
        self._done: SimpleQueue[Call | BaseException] = SimpleQueue()
        self._pending = 0
        self._stats = CallStats()

    def process(self, batch: bytes) -> Iterator[Any]:
        for image in unpack(batch):
            while self._pending >= self._process.threads:
                yield self._take(self._done.get())
            self._pending += 1
            self._process.pool.submit(
                self._run, image if isinstance(image, ImageRef) else ImageRef.of(image), self._done
            )
        while True:
            try:
                yield self._take(self._done.get_nowait())
            except Empty:
                break

    def finish_bundle(self) -> Iterator[Any]:
        while self._pending:
            yield at_end_of_bundle(self._take(self._done.get()))
        self._note_events()
        if counts := self._stats.as_counts():
            yield at_end_of_bundle(TaggedOutput(STATS, counts))

    def _run(self, image: ImageRef, done: SimpleQueue[Call | BaseException]) -> None:
        try:
            done.put(self._process.caller.analyze(image))
        except BaseException as error:  # a bug: it has to reach the bundle's thread, or the bundle waits for ever
            done.put(error)

    def _take(self, finished: Call | BaseException) -> Any:
        self._pending -= 1
        if isinstance(finished, BaseException):
            raise finished
        self._stats.add(finished.attempts)
        self._metrics.count(finished)
        self._note_events()
        tag = _TAGS[type(finished.outcome)]
        self._live.add({tag: 1, **_live_attempts(finished)})
        return finished.outcome if tag == ANALYZED else TaggedOutput(tag, finished.outcome)

    def _note_events(self) -> None:
        events = self._process.caller.admission.take_events()
        if any(events):
            self._stats.add_events(events)
            self._metrics.count_events(events)


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
        self._by_result: dict[str, Any] = {}

    def count(self, call: Call) -> None:
        for number, attempt in enumerate(call.attempts):
            self._counter(attempt.result).inc()
            self._latency.update(int(attempt.latency * 1000))
            self._waited.update(int(attempt.waited * 1000))
            self._bytes_sent.inc(attempt.bytes_sent)
            if attempt.billed_units:
                self._billed_units.inc(attempt.billed_units)
            if number:
                self._retries.inc()
        if call.unanswered:
            self._ambiguous.inc(call.unanswered)

    def count_events(self, events: Events) -> None:
        self._throttled.inc(events.throttled_seconds)
        self._openings.inc(events.breaker_openings)

    def _counter(self, result: str) -> Any:
        if result not in self._by_result:
            self._by_result[result] = Metrics.counter(NAMESPACE, f"attempts_{result}")
        return self._by_result[result]
