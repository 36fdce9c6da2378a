"""`AnalyzeImages`: calls the endpoint for each image, with a window of calls that stays full across batches.

The DoFn hands images to the threads of the resource's lane and emits what has finished, in the window and with the
timestamp that the image came with; it waits only when the window is full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from time import time
from typing import Any
from uuid import uuid4

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from ..schemas.outcomes import DeadLetter, Deferred
from .calls import ANALYZED, FAILURES, RESPONSES, STATS, Calls
from .endpoint.address import check_endpoint
from .endpoint.call import Caller, RateLimiter
from .endpoint.credentials import Credential, EnvironmentKey
from .endpoint.errors import ConfigurationError, check_type, check_whole
from .endpoint.limits import limits_of
from .endpoint.payload import check_fit
from .endpoint.request import AnalyzeRequest
from .endpoint.resource import Resource
from .endpoint.settings import CallSettings
from .endpoint.uri import ImageRef
from .files.storage import read_first
from .journalled_calls import JournalledCalls
from .keyed import OnceForEachKey
from .packing import pack
from .windowing import windowed

BATCH_SIZE = 32  # images


class UnhandledFailure(Exception):
    """An image failed and nobody asked for the failures."""


class AnalyzeImages(beam.PTransform):
    """PCollection of `ImageRef` or URI text -> dict of PCollections, in the input's windows, with its timestamps.

    `analyzed`: `Analyzed`, one per answered image, as they finish. With `output`, in its place,
    `responses`: `pa.Table` (schema of `responses`), answers of one window, each durable when it is emitted.
    `stats`: dict of counts, to be added up.
    With `error_handling={"output": NAME}`, also NAME: every image without an answer, as a `DeadLetter` (it failed for
    good) or a `Deferred` (nobody's fault yet; call it again later); `failure.table` tells them apart in a word.

    `keyed`: takes `(key, image)` and gives `(key, outcome)`, `analyzed` also with `output`: each key once, at the end
    of its window, with one call for an image whatever its keys. With `output`, what earlier runs there have of an image
    is not asked again: its call is for the features that are missing, and one answer of all comes out. A dead letter of
    a journal is its outcome without a call.

    With an error handler (`with_error_handler`) these go there. With neither, the first of them fails the pipeline
    instead of vanishing. An element that is in several windows is an image in each.

    Args:
      request: what is asked of every image.
      endpoint: URL of the Azure AI Vision resource; or `Resource`s, any of which may answer any image.
      credential: who we are there; the key in the worker's `VISION_KEY` if left out.
      settings: how calls are made; the rate in it is one process's share. Steps that call the same resource share one
        window and one pace in a process: the first one's, but the lowest rate of all.
      batch_size: images that travel together to a worker.
      output: the folder of a run that was started there (`start_run`). Answers, and dead letters of calls that were
        made, are journalled within two seconds, before anything else is done with them. A bundle that is run again
        finds them there and pays for the rest. No call is made once another run owns the folder.
      run_id: the run; stamped on every outcome.
      rate_limiter: a Beam `RateLimiter` shared with other jobs; asked before every attempt.
      error_handling: as in Beam YAML.
      max_dead_letters: so many, or a share ("5%") of the images settled so far, of which there are 100 at least: when
        there are more, no further call is made and the rest is deferred (`too_many_dead_letters`). With `output`, of
        all worker processes of the run together; else of each.
      max_time: seconds, or a text such as "8h", from when the pipeline is built. Then no further call is made and the
        rest is deferred (`over_budget`).
      keyed: elements are pairs of a key of one's own and an image.
      fit: images that are sent as bytes get sides of at most so many pixels, a format and a size that the service
        takes; 16000 touches only what would be refused. Boxes, polygons and sizes in tables are the image's own.
      allow_insecure_endpoint: lets the key go over plain http to another machine.

    Raises:
      ConfigurationError: a setting cannot work; raised here, before anything is spent.
    """

    def __init__(
        self,
        request: AnalyzeRequest,
        endpoint: str | Sequence[Resource],
        *,
        credential: Credential | None = None,
        settings: CallSettings | None = None,
        batch_size: int = BATCH_SIZE,
        output: str | None = None,
        run_id: str = "",
        rate_limiter: RateLimiter | None = None,
        error_handling: Mapping[str, str] | None = None,
        max_dead_letters: int | str | None = None,
        max_time: float | str | None = None,
        keyed: bool = False,
        fit: int | None = None,
        allow_insecure_endpoint: bool = False,
    ) -> None:
        super().__init__()
        check_type("keyed", keyed, bool, "use True for (key, image) pairs")
        check_type("request", request, AnalyzeRequest, "use AnalyzeRequest(features='tags')")
        check_type("endpoint", endpoint, (str, Sequence), "use the URL of the resource")
        check_type("credential", credential, (Credential, type(None)), "use EnvironmentKey(), or leave it out")
        check_type("settings", settings, (CallSettings, type(None)), "use CallSettings(…), or leave it out")
        check_type("output", output, (str, type(None)), "use the folder of the run, or leave it out")
        check_type("run_id", run_id, str, "use new_run_id(), or leave it out")
        check_type("batch_size", batch_size, int, f"the default is {BATCH_SIZE}")
        check_whole("batch_size", batch_size, 1, 100_000, f"the default is {BATCH_SIZE}")
        if output is not None and not run_id:
            raise ConfigurationError(f"output {output!r}", "its run is named too", "set run_id, by start_run(output)")
        if rate_limiter is not None and not callable(getattr(rate_limiter, "allow", None)):
            raise ConfigurationError(
                f"rate_limiter {rate_limiter!r}", "it has a method `allow`", "use one of Beam's, or leave it out"
            )
        if error_handling is not None and not _names_an_output(error_handling):
            raise ConfigurationError(
                f"error_handling {error_handling!r}",
                f"it names an output other than {ANALYZED}, {RESPONSES} and {STATS}",
                "use {'output': 'failures'}",
            )
        self._request, self._settings = request, settings or CallSettings()
        self._resources = _resources(endpoint, credential or EnvironmentKey(), self._settings, allow_insecure_endpoint)
        self._limits = limits_of(max_dead_letters, max_time)
        self._run_id, self._rate_limiter = run_id, rate_limiter
        self._batch_size, self._error_handling, self._output = batch_size, error_handling, output
        self._error_handler: Any = None
        self._keyed, self._fit = keyed, check_fit(fit)

    def with_error_handler(self, error_handler: Any) -> AnalyzeImages:
        """Sends what has no answer, dead letters and deferred images, to a Beam `ErrorHandler`."""
        self._error_handler = error_handler
        return self

    def expand(self, images: beam.PCollection) -> dict[str, beam.PCollection]:
        if self._keyed:
            keyed = OnceForEachKey(self._outcomes, self._request, self._output, self._run_id, self._fit)
            outcomes = images | "ForEachKey" >> keyed
        else:
            outcomes = self._outcomes(images)
        failures = outcomes.pop(FAILURES)
        if self._error_handling is not None:
            outcomes[self._error_handling["output"]] = failures
        elif self._error_handler is not None:
            self._error_handler.add_error_pcollection(failures)
        else:
            bare = failures | "WithoutKeys" >> beam.Values() if self._keyed else failures
            bare | "FailOnFailure" >> beam.Map(_raise)
        return outcomes

    def _outcomes(self, images: beam.PCollection) -> dict[str, beam.PCollection]:
        make_caller = partial(
            Caller,
            settings=self._settings,
            read_first=read_first,
            run_id=self._run_id,
            rate_limiter=self._rate_limiter,
            fit=self._fit,
        )
        outputs = (
            images
            | "Batch" >> beam.ParDo(_Batch(self._batch_size))
            | "Spread" >> beam.Reshuffle()
            | "Call" >> self._calls(make_caller)
        )
        main = ANALYZED if self._output is None else RESPONSES
        result = {name: outputs[name] for name in (main, STATS, FAILURES)}
        if self._output is not None and not isinstance(images.pipeline.runner, FnApiRunner):
            # What comes later may fail and be tried again without the calls. In memory it would be held till the last.
            result[RESPONSES] |= "KeepAnswers" >> beam.Reshuffle()
        return result

    def _calls(self, make_caller: partial[Caller]) -> Any:
        seconds = self._limits.seconds
        limits = self._limits._replace(step=uuid4().hex, ends_at=None if seconds is None else time() + seconds)
        given = (self._run_id, self._request, self._resources, self._settings, make_caller, limits)
        if self._output is None:
            return beam.ParDo(Calls(None, *given)).with_outputs(FAILURES, STATS, main=ANALYZED)
        return beam.ParDo(JournalledCalls(self._output, *given)).with_outputs(FAILURES, STATS, main=RESPONSES)

    def display_data(self) -> dict[str, Any]:
        settings = {name: value for name, value in vars(self._settings).items() if name != "timeouts"}
        shown = {
            **self._request.query(),
            **settings,
            **vars(self._settings.timeouts),
            "endpoint": ", ".join(resource.endpoint for resource in self._resources),
        }
        return {name: "none" if value is None else value for name, value in shown.items()} | {
            "batch_size": self._batch_size,
            "fit": "none" if self._fit is None else self._fit,
        }


def _resources(
    given: str | Sequence[Resource], credential: Credential, settings: CallSettings, allow_insecure: bool
) -> tuple[Resource, ...]:
    if isinstance(given, str):
        endpoint = check_endpoint(given, allow_insecure)
        return (Resource(endpoint, credential, process_share=settings.requests_per_second),)
    for resource in given:
        check_type("endpoint", resource, Resource, "use the URL of a resource, or a list of Resource(…)")
        check_endpoint(resource.endpoint, allow_insecure)
    names = [resource.endpoint for resource in given]
    if not names or len(set(names)) < len(names):
        raise ConfigurationError(f"endpoint {names}", "it is one resource or more, each named once", "correct the list")
    return tuple(given)


def _names_an_output(error_handling: object) -> bool:
    if not isinstance(error_handling, Mapping) or set(error_handling) != {"output"}:
        return False
    name = error_handling["output"]
    return isinstance(name, str) and bool(name) and name not in (ANALYZED, RESPONSES, STATS)


def _raise(failure: DeadLetter | Deferred) -> None:
    what = (
        f"{failure.fault_class}: {failure.message}"
        if isinstance(failure, DeadLetter)
        else f"{failure.reason}: {failure.detail}"
    )
    raise UnhandledFailure(
        f"{failure.image_uri}: {what}; to keep such images, use error_handling={{'output': …}} or with_error_handler(…)"
    )


class _Batch(beam.DoFn):
    """`ImageRef` or URI text -> packed batches of `(image, timestamp in microseconds)`.

    The images of a batch are of one window, and are asked the same.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def start_bundle(self) -> None:
        self._held: dict[tuple[Any, str], list[tuple[ImageRef, int]]] = {}

    def process(
        self, image: ImageRef | str, window: Any = beam.DoFn.WindowParam, timestamp: Any = beam.DoFn.TimestampParam
    ) -> Iterator[bytes]:
        image = image if isinstance(image, ImageRef) else ImageRef.of(image)
        held = self._held.setdefault((window, image.asks), [])
        held.append((image, timestamp.micros))
        if len(held) >= self._size:
            yield pack(self._held.pop((window, image.asks)))

    def finish_bundle(self) -> Iterator[Any]:
        for (window, _), held in self._held.items():
            yield windowed(pack(held), window)
