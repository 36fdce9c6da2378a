"""Keys of one's own: `(key, image)` in, `(key, outcome)` out, and one call for an image whatever its keys."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from ..schemas.outcomes import Analyzed, DeadLetter
from .calls import ANALYZED, FAILURES, RESPONSES, STATS
from .endpoint.errors import ConfigurationError
from .endpoint.fingerprint import request_fingerprint
from .endpoint.request import AnalyzeRequest
from .endpoint.settle import Outcome
from .endpoint.uri import ImageRef
from .ledger.history import SHARD_DIGITS, files_of, read_journalled, scan
from .ledger.journal import ANSWERS, kind_of
from .ledger.layout import Layout
from .ledger.plan import Journalled, asks_for, best_first
from .packing import pack, unpack
from .plan_work import BlockByShard, dead_letters_of

_TO_DO, _HELD = "to_do", "held"

_Stored = tuple[bool, Journalled, int]  # an answer or a failure; where; of which features


class OnceForEachKey(beam.PTransform):
    """PCollection of `(key, image)` -> dict: `analyzed` and `failures` as `(key, outcome)`, `stats`.

    Args:
      call: PCollection of `ImageRef` -> dict of `analyzed` or `responses`, `failures`, `stats`.
      request: what is asked.
      output: the folder whose earlier runs may have an outcome; None where there is none.
      run_id: the run there.
      fit: what images are fitted to; an answer to one that was fitted to fewer pixels is none.
    """

    def __init__(
        self,
        call: Callable[[beam.PCollection], dict[str, beam.PCollection]],
        request: AnalyzeRequest,
        output: str | None,
        run_id: str,
        fit: int | None = None,
    ) -> None:
        super().__init__()
        self._call, self._request, self._output, self._run_id = call, request, output, run_id
        self._fit = fit

    def expand(self, keyed: beam.PCollection) -> dict[str, beam.PCollection]:
        if self._output is not None and not isinstance(keyed.windowing.windowfn, GlobalWindows):
            raise ConfigurationError(
                f"keyed with output {self._output!r}",
                "what earlier runs have is of the global window",
                "apply it before WindowInto, or leave output out",
            )
        by_image = keyed | "ByImage" >> beam.Map(_by_image) | "Keys" >> beam.GroupByKey()
        images = by_image | "Images" >> beam.MapTuple(_best)
        held = None if self._output is None else images | _Held(self._request, self._output, self._run_id, self._fit)
        called = self._call(images if held is None else held[_TO_DO])
        outcomes = [called[FAILURES]]
        if held is None:
            outcomes.append(called[ANALYZED])
        else:
            outcomes += [called[RESPONSES] | "Records" >> beam.FlatMap(_records), held[_HELD]]
        by_outcome = outcomes | beam.Flatten() | "ByItsImage" >> beam.Map(lambda outcome: (outcome.image_id, outcome))
        keys = by_image | "KeysAlone" >> beam.MapTuple(lambda image_id, given: (image_id, [key for key, _ in given]))
        joined = (
            {"keys": keys, "outcomes": by_outcome}
            | "JoinKeys" >> beam.CoGroupByKey()
            | "WithKeys" >> beam.FlatMapTuple(partial(_pairs, self._request)).with_outputs(FAILURES, main=ANALYZED)
        )
        return {ANALYZED: joined[ANALYZED], FAILURES: joined[FAILURES], STATS: called[STATS]}


def _pairs(request: AnalyzeRequest, _: str, joined: dict[str, Iterable[Any]]) -> Iterator[Any]:
    if outcome := _one(list(joined["outcomes"]), request):
        for key in chain.from_iterable(joined["keys"]):
            yield (key, outcome) if isinstance(outcome, Analyzed) else TaggedOutput(FAILURES, (key, outcome))


def _one(outcomes: list[Outcome], request: AnalyzeRequest) -> Outcome | None:
    """What an image came to: what failed, or its answer, or one that is put together of answers to parts."""
    failures = [outcome for outcome in outcomes if not isinstance(outcome, Analyzed)]
    parts = sorted((each for each in outcomes if isinstance(each, Analyzed)), key=lambda answer: answer.analyzed_at)
    if failures or len({part.features for part in parts}) < 2:
        return next(iter(failures or parts), None)
    body = dict(chain.from_iterable(_body(part).items() for part in parts))
    text, asked = json.dumps(body, ensure_ascii=False), request_fingerprint(request)
    return parts[-1]._replace(body=text, features=tuple(request.features), fingerprint=asked)


def _body(answer: Analyzed) -> dict[str, Any]:
    """The sections of an answer's features, and what is of no section."""
    sections = {f"{feature}Result" for feature in answer.features}
    body = json.loads(answer.body.removeprefix("\ufeff"))
    return {name: value for name, value in body.items() if name in sections or not name.endswith("Result")}


def _by_image(element: tuple[Any, ImageRef | str]) -> tuple[str, tuple[Any, ImageRef]]:
    key, given = element
    image = given if isinstance(given, ImageRef) else ImageRef.of(given)
    return image.image_id, (key, image)


def _best(_: str, given: Iterable[tuple[Any, ImageRef]]) -> ImageRef:
    return best_first(image for _, image in given)[0]


def _records(rows: pa.Table) -> Iterator[Analyzed]:
    for row in rows.select(list(Analyzed._fields)).to_pylist():
        yield Analyzed(**row | {"features": tuple(row["features"])})


class _Held(beam.PTransform):
    """PCollection of `ImageRef` -> dict: `to_do`, and `held`: outcomes that earlier runs have, or parts."""

    def __init__(self, request: AnalyzeRequest, output: str, run_id: str, fit: int | None) -> None:
        super().__init__()
        self._asked, self._run_id = (Layout(output), run_id, request, {ANSWERS: "journalled"}, fit), run_id
        self._features = request.features or (request.model_name,)

    def expand(self, images: beam.PCollection) -> dict[str, beam.PCollection]:
        stored = (
            images.pipeline
            | beam.Create([self._asked], reshuffle=False)
            | "List" >> beam.FlatMapTuple(files_of)
            | "Spread" >> beam.Reshuffle()
            | "Scan" >> beam.FlatMap(scan, SHARD_DIGITS)
            | "Pack" >> beam.MapTuple(lambda shard, block: (shard, pack(block)))
        )
        split = (
            {"images": images | "BlockByShard" >> beam.ParDo(BlockByShard(SHARD_DIGITS)), "stored": stored}
            | "JoinByShard" >> beam.CoGroupByKey()
            | "Split" >> beam.FlatMapTuple(partial(_split, self._features)).with_outputs(_HELD, main=_TO_DO)
        )
        held = split[_HELD] | "ByFile" >> beam.GroupByKey() | "Read" >> beam.FlatMapTuple(_read, self._run_id)
        return {_TO_DO: split[_TO_DO], _HELD: held}


def _split(features: Sequence[str], _: str, joined: dict[str, Iterable[Any]]) -> Iterator[Any]:
    """To call, for what is missing; and where what is held is, with the features that it is taken for."""
    stored = defaultdict(list)
    for kind, rows, answers, number in map(unpack, joined["stored"]):
        for image_id, asked, *where in rows:
            if kind != "journalled_small" and (bits := answers.get(asked, 0)):
                stored[image_id].append((kind == "journalled", Journalled(number, *where), bits))
    for image in (image for block in joined["images"] for image in unpack(block)):
        taken, missing = _taken(sorted(stored[image.image_id], reverse=True), (1 << len(features)) - 1)
        for where, bits in taken:
            yield TaggedOutput(_HELD, (where.path, (where.row, asks_for(bits, features))))
        if missing:
            yield image._replace(asks=asks_for(missing, features))


def _taken(stored: list[_Stored], everything: int) -> tuple[list[tuple[Journalled, int]], int]:
    """Of answers and then failures of an image, the newest first: the newest answer to everything, or else the newest
    to each feature; or the failure of what is missing then."""
    for is_answer, where, bits in stored:
        if is_answer and bits == everything:
            return [(where, everything)], 0
    taken, missing = [], everything
    for is_answer, where, bits in stored:
        if is_answer and bits & missing and not where.is_of_other_pixels:
            taken.append((where, bits & missing))
            missing &= ~bits
        elif not is_answer and missing and not missing & ~bits:
            return [(where, everything)], 0
    return taken, missing


def _read(path: str, taken: Iterable[tuple[int, str]], run_id: str = "") -> Iterator[Analyzed | DeadLetter]:
    in_order = sorted(taken)
    asked = (asks for _, asks in in_order)
    for rows in read_journalled(path, [[row for row, _ in in_order]]):
        if kind_of(path) == ANSWERS:
            for answer in _records(rows):
                asks = next(asked)
                yield answer._replace(features=tuple(asks.split(","))) if asks else answer
        else:
            yield from dead_letters_of(rows, run_id)
