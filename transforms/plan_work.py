"""`PlanWork`: of all images that are listed, which are to be called?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, TaggedOutput

from ..schemas.outcomes import Deferred, Duplicate
from .endpoint.errors import ConfigurationError
from .endpoint.fingerprint import request_fingerprint
from .endpoint.request import AnalyzeRequest
from .endpoint.uri import ImageRef
from .history import ReadHistory, read_rows, shard_of
from .live_counts import live_counts
from .plan import Cut, RedrivePolicy, ToDo, budget_bucket, cut_of, plan_shard, why_called
from .records import at_end_of_bundle, pack, unpack

TO_DO, RECOVERED, DEFERRED, DUPLICATES, COUNTS = "to_do", "recovered", "deferred", "duplicates", "counts"
_BLOCK_IMAGES = 20_000


class PlanWork(beam.PTransform):
    """PCollection of `ImageRef` -> dict of PCollections.

    `to_do`: `ImageRef`, each image once, to be called.
    `recovered`: `pa.Table` (schema of `responses`), answers that a run that died had journalled.
    `deferred`: `Deferred`, reason `over_budget`.
    `duplicates`: `Duplicate`, further references of an image.
    `counts`: dicts to add up: `input`, `duplicates`, `recovered`, `recovered_extra`, `skipped.<reason>`, `to_do.<why>`.

    Args:
      request: what is asked; an image counts as answered for the same request only.
      output: the folder of earlier runs; None plans without history.
      run_id: this run.
      dead_runs: runs whose journals are taken over (`Layout.dead_runs`).
      policy: which dead letters are called again.
      max_calls: how many images are called at the most; None for all.
    """

    def __init__(
        self,
        request: AnalyzeRequest,
        output: str | None = None,
        run_id: str = "",
        dead_runs: Iterable[str] = (),
        policy: RedrivePolicy | None = None,
        max_calls: int | None = None,
    ) -> None:
        super().__init__()
        if max_calls is not None and max_calls < 0:
            raise ConfigurationError(f"max_calls {max_calls}", "it is at least 0", "leave it out to call all")
        self._fingerprint = request_fingerprint(request)
        self._output, self._run_id, self._dead_runs = output, run_id, list(dead_runs)
        self._policy, self._max_calls = policy or RedrivePolicy(), max_calls

    def expand(self, images: beam.PCollection) -> dict[str, beam.PCollection]:
        blocks = images | "BlockByShard" >> beam.ParDo(_BlockByShard())
        sources = {"images": blocks}
        if self._output is not None:
            history = ReadHistory(self._output, self._run_id, self._fingerprint, self._dead_runs)
            packed = beam.MapTuple(lambda shard, block: (shard, pack(block)))
            sources["history"] = images.pipeline | history | "PackHistory" >> packed
        planned = (
            sources
            | "JoinByShard" >> beam.CoGroupByKey()
            | "PlanShard"
            >> beam.ParDo(_PlanShard(self._fingerprint, self._policy, self._run_id)).with_outputs(
                RECOVERED, DUPLICATES, COUNTS, main=TO_DO
            )
        )
        to_do, deferred = self._within_budget(planned[TO_DO])
        recovered = (
            planned[RECOVERED] | "BySegment" >> beam.GroupByKey() | "ReadSegments" >> beam.FlatMapTuple(read_rows)
        )
        return {
            TO_DO: to_do,
            RECOVERED: recovered,
            DEFERRED: deferred,
            DUPLICATES: planned[DUPLICATES],
            COUNTS: planned[COUNTS],
        }

    def _within_budget(self, to_do: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
        if self._max_calls is None:
            nothing = to_do.pipeline | "NothingOverBudget" >> beam.Create([], reshuffle=False)
            return to_do | "Images" >> beam.Map(lambda item: item.image), nothing
        cut = (
            to_do
            | "Buckets" >> beam.Map(budget_bucket)
            | "CountBuckets" >> beam.CombineGlobally(_CountBuckets())
            | "Cut" >> beam.Map(cut_of, self._max_calls)
        )
        parts = to_do | "Split" >> beam.ParDo(_SplitAtCut(), AsSingleton(cut)).with_outputs(
            "at_cut", "over", main="under"
        )
        at_cut = (
            parts.at_cut
            | "OneKey" >> beam.WithKeys(None)
            | "GatherAtCut" >> beam.GroupByKey()
            | "TakeFirst" >> beam.ParDo(_TakeFirst(), AsSingleton(cut)).with_outputs("over", main="under")
        )
        under = (parts.under, at_cut.under) | "UnderBudget" >> beam.Flatten()
        over = (parts.over, at_cut.over) | "OverBudget" >> beam.Flatten()
        return under, over | "Defer" >> beam.Map(_over_budget, self._max_calls, self._fingerprint, self._run_id)

    def display_data(self) -> dict[str, Any]:
        return {
            "fingerprint": self._fingerprint,
            "redrive": self._policy.redrive,
            "max_redrives": self._policy.max_redrives,
            "max_calls": -1 if self._max_calls is None else self._max_calls,
        }


class _BlockByShard(beam.DoFn):
    """ImageRef -> (shard, packed list of ImageRef)."""

    def start_bundle(self) -> None:
        self._shards: dict[str, list[ImageRef]] = {}
        self._held = 0

    def process(self, image: ImageRef) -> Iterator[tuple[str, bytes]]:
        self._shards.setdefault(shard_of(image.image_id), []).append(image)
        self._held += 1
        if self._held >= _BLOCK_IMAGES:
            live_counts().add({"listed": self._held})
            yield from self._blocks()
            self.start_bundle()

    def finish_bundle(self) -> Iterator[Any]:
        live_counts().add({"listed": self._held})
        yield from map(at_end_of_bundle, self._blocks())

    def _blocks(self) -> Iterator[tuple[str, bytes]]:
        return ((shard, pack(images)) for shard, images in self._shards.items())


class _PlanShard(beam.DoFn):
    def __init__(self, fingerprint: str, policy: RedrivePolicy, run_id: str) -> None:
        self._fingerprint, self._policy, self._run_id = fingerprint, policy, run_id

    def process(self, element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[Any]:
        _, grouped = element
        blocks = list(map(unpack, grouped["images"]))
        history = map(unpack, grouped.get("history", ()))
        plan = plan_shard(blocks, history, self._fingerprint, self._policy)
        live_counts().add({"to_do": len(plan.to_do)})
        yield from plan.to_do
        for image in plan.duplicates:
            yield TaggedOutput(DUPLICATES, Duplicate(image.image_id, image.image_uri, self._run_id))
        for path_rows in plan.recovered.items():
            yield TaggedOutput(RECOVERED, path_rows)
        counts = {
            "input": sum(map(len, blocks)),
            "duplicates": len(plan.duplicates),
            "recovered": plan.recovered_inputs,
            "recovered_extra": plan.recovered_extra,
            **{f"to_do.{why}": number for why, number in Counter(map(why_called, plan.to_do)).items()},
            **{f"skipped.{reason}": number for reason, number in plan.skipped.items()},
        }
        yield TaggedOutput(COUNTS, {name: number for name, number in counts.items() if number})

    def finish_bundle(self) -> None:
        live_counts().flush()  # how many there are to do is known before the first is done


class _CountBuckets(beam.CombineFn):
    def create_accumulator(self) -> Counter[tuple[int, str]]:
        return Counter()

    def add_input(self, counts: Counter[tuple[int, str]], bucket: tuple[int, str]) -> Counter[tuple[int, str]]:
        counts[bucket] += 1
        return counts

    def merge_accumulators(self, accumulators: Iterable[Counter[tuple[int, str]]]) -> Counter[tuple[int, str]]:
        return sum(accumulators, Counter())

    def extract_output(self, counts: Counter[tuple[int, str]]) -> dict[tuple[int, str], int]:
        return dict(counts)


class _SplitAtCut(beam.DoFn):
    def process(self, to_do: ToDo, cut: Cut | None) -> Iterator[Any]:
        bucket = budget_bucket(to_do)
        if cut is None or bucket < cut.bucket:
            yield to_do.image
        elif bucket == cut.bucket:
            yield TaggedOutput("at_cut", to_do)
        else:
            yield TaggedOutput("over", to_do.image)


class _TakeFirst(beam.DoFn):
    def process(self, gathered: tuple[None, Iterable[ToDo]], cut: Cut) -> Iterator[Any]:
        images = sorted((to_do.image for to_do in gathered[1]), key=lambda image: image.image_id)
        yield from images[: cut.take]
        for image in images[cut.take :]:
            yield TaggedOutput("over", image)


def _over_budget(image: ImageRef, max_calls: int, fingerprint: str, run_id: str) -> Deferred:
    detail = f"--max_calls {max_calls} was reached"
    return Deferred(image.image_id, image.image_uri, "over_budget", detail, fingerprint, run_id)
