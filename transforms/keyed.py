"""Keys of one's own: `(key, image)` in, `(key, outcome)` out, and one call for an image whatever its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from ..schemas.outcomes import Analyzed, DeadLetter
from .calls import ANALYZED, FAILURES, RESPONSES
from .endpoint.errors import ConfigurationError
from .endpoint.fingerprint import wanted_answers
from .endpoint.request import AnalyzeRequest
from .endpoint.uri import ImageRef
from .ledger.history import SHARD_DIGITS, files_of, read_journalled, scan
from .ledger.journal import ANSWERS, kind_of
from .ledger.layout import Layout
from .ledger.plan import Journalled, best_first
from .packing import pack, unpack
from .plan_work import BlockByShard, dead_letters_of

_TO_DO, _HELD = "to_do", "held"


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
        outcomes = self._call(images if held is None else held[_TO_DO])
        if held is not None:
            new = outcomes.pop(RESPONSES) | "Records" >> beam.FlatMap(_records)
            outcomes[ANALYZED] = (new, held[ANALYZED]) | "AllAnswers" >> beam.Flatten()
            outcomes[FAILURES] = (outcomes[FAILURES], held[FAILURES]) | "AllFailures" >> beam.Flatten()
        keys = by_image | "KeysAlone" >> beam.MapTuple(lambda image_id, given: (image_id, [key for key, _ in given]))
        for name in (ANALYZED, FAILURES):
            outcomes[name] = {"keys": keys, "outcomes": outcomes[name]} | f"Key {name}" >> _WithKeys()
        return outcomes


class _WithKeys(beam.PTransform):
    """dict: `keys` as `(image id, keys)`, and `outcomes`, of an image one or none -> `(key, outcome)`."""

    def expand(self, given: dict[str, beam.PCollection]) -> beam.PCollection:
        by_image = given["outcomes"] | beam.Map(lambda outcome: (outcome.image_id, outcome))
        return {"keys": given["keys"], "outcomes": by_image} | beam.CoGroupByKey() | beam.FlatMapTuple(_pairs)


def _pairs(_: str, joined: dict[str, Iterable[Any]]) -> Iterator[tuple[Any, Any]]:
    for outcome in list(joined["outcomes"])[:1]:
        for keys in joined["keys"]:
            yield from ((key, outcome) for key in keys)


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
    """PCollection of `ImageRef` -> dict: `to_do`, and `analyzed` and `failures` of those that earlier runs have."""

    def __init__(self, request: AnalyzeRequest, output: str, run_id: str, fit: int | None) -> None:
        super().__init__()
        self._asked, self._run_id = (Layout(output), run_id, request, {ANSWERS: "journalled"}, fit), run_id
        self._wanted = (1 << len(wanted_answers(request))) - 1

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
            | "Split" >> beam.FlatMapTuple(_split, self._wanted).with_outputs(_HELD, main=_TO_DO)
        )
        rows = split[_HELD] | "ByFile" >> beam.GroupByKey() | "Read" >> beam.FlatMapTuple(_read, self._run_id)
        outcomes = rows | "Kinds" >> beam.Partition(lambda outcome, _: int(isinstance(outcome, DeadLetter)), 2)
        return {_TO_DO: split[_TO_DO], ANALYZED: outcomes[0], FAILURES: outcomes[1]}


def _split(_: str, joined: dict[str, Iterable[Any]], wanted: int = 0) -> Iterator[Any]:
    """To call, or where the newest outcome is that answers all that is asked; an answer counts before a failure."""
    stored: dict[str, tuple[bool, Journalled]] = {}
    for kind, rows, answers, number in map(unpack, joined["stored"]):
        for image_id, asked, *where in rows:
            if answers.get(asked, 0) == wanted and kind != "journalled_small":
                one = kind == "journalled", Journalled(number, *where)
                stored[image_id] = max(one, stored.get(image_id, one))
    for image in (image for block in joined["images"] for image in unpack(block)):
        if found := stored.get(image.image_id):
            yield TaggedOutput(_HELD, (found[1].path, [found[1].row]))
        else:
            yield image


def _read(path: str, blocks: Iterable[list[int]], run_id: str = "") -> Iterator[Analyzed | DeadLetter]:
    for rows in read_journalled(path, blocks):
        if kind_of(path) == ANSWERS:
            yield from _records(rows)
        else:
            yield from dead_letters_of(rows, run_id)
