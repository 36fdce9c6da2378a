"""`PlanWork`: of all images that are listed, which are to be called?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from ..schemas.outcomes import DeadLetter
from .cost import spent_before
from .endpoint.errors import check_type
from .endpoint.fingerprint import request_fingerprint
from .endpoint.request import AnalyzeRequest
from .endpoint.uri import ImageRef
from .ledger.history import (
    SHARD_DIGITS,
    ReadHistory,
    check_shard_digits,
    held_before_parting,
    read_journalled,
    shard_of,
)
from .ledger.journal import dead_letters, read_segment
from .ledger.plan import plan_shard
from .ledger.redrive import RedrivePolicy
from .live_counts import live_counts
from .look_again import CASES, COUNTS, TO_DO, LookAgain
from .member_fn import MemberFn
from .one_of_a_run import check_is_only
from .packing import pack, unpack
from .prices import Prices
from .windowing import at_end_of_bundle
from .within_budget import WithinBudget, budget_of

RECOVERED, FAILED, DEFERRED = "recovered", "failed", "deferred"
TO_LOOK_AT = "to_look_at"
_BLOCK_IMAGES = 20_000


class PlanWork(beam.PTransform):
    """PCollection of `ImageRef` -> dict of PCollections.

    `to_do`: `ImageRef`, each image once, to be called; its `asks` are the features that no answer is held of.
    `recovered`: `pa.Table` (schema of `responses`), answers that a run that died had journalled.
    `failed`: `DeadLetter`, of calls that it had made, from its journal too.
    `deferred`: `Deferred`, reason `over_budget`.
    `counts`: dicts to add up: `input`, `duplicates`, `recovered`, `recovered_extra`, `skipped.<reason>`,
      `to_do.<why>`; `recovered.*` was spent on what is taken over (`spent_before`); `by_former_id` of the skipped and
      recovered were answered under the id of an earlier version.

    Args:
      request: what is asked. An answer counts for each feature that it was asked with the same options.
      output: the folder of earlier runs; None plans without history.
      run_id: this run, which `start_run` has made the owner of the folder; the log says what it plans from.
      policy: which dead letters are called again.
      max_calls: how many images are called at the most; None for all.
      max_cost: what their calls cost at the most, in the currency of `prices`; None for all. Each image counts once: so
        call with `ambiguous_retries=0`.
      prices: of the features; indicative ones if left out.
      shard_digits: how many hex digits of an image's id are the shard that it is planned in: 2 make 256 shards. A shard
        is held in memory; 3 are right for tens of millions of images on a cluster.
    """

    def __init__(
        self,
        request: AnalyzeRequest,
        output: str | None = None,
        run_id: str = "",
        policy: RedrivePolicy | None = None,
        max_calls: int | None = None,
        shard_digits: int = SHARD_DIGITS,
        *,
        max_cost: float | None = None,
        prices: Prices | None = None,
    ) -> None:
        super().__init__()
        check_type("request", request, AnalyzeRequest, "use AnalyzeRequest(features='tags')")
        check_type("policy", policy, (RedrivePolicy, type(None)), "use RedrivePolicy(…), or leave it out")
        check_type("prices", prices, (Prices, type(None)), "use read_prices(path), or leave it out")
        self._request = request
        self._output, self._run_id = output, run_id
        self._policy, self._budget = policy or RedrivePolicy(), budget_of(max_calls, max_cost, prices)
        self._shard_digits = check_shard_digits(shard_digits)

    def expand(self, images: beam.PCollection) -> dict[str, beam.PCollection]:
        features = self._request.features or (self._request.model_name,)
        blocks = images | "BlockByShard" >> beam.ParDo(BlockByShard(self._shard_digits, self._policy.looks))
        sources = {"images": blocks}
        if self._output is not None:
            check_is_only("PlanWork", images.pipeline, self._output, self._run_id)
            answered, fit = self._policy.history_of_answers, self._policy.fit
            history = ReadHistory(self._output, self._run_id, self._request, answered, self._shard_digits, fit)
            packed = beam.MapTuple(lambda shard, block: (shard, pack(block)))
            sources["history"] = images.pipeline | history | "PackHistory" >> packed
        planned = (
            sources
            | "JoinByShard" >> beam.CoGroupByKey()
            | "PlanShard"
            >> beam.ParDo(_PlanShard(self._output, self._run_id, features, self._policy)).with_outputs(
                RECOVERED, FAILED, TO_LOOK_AT, COUNTS, main=TO_DO
            )
        )
        wanted, counts = [planned[TO_DO]], [planned[COUNTS]]
        if self._policy.looks:
            looked_at = planned[TO_LOOK_AT] | LookAgain(self._output, self._run_id, features, self._policy)
            wanted.append(looked_at[TO_DO])
            counts.append(looked_at[COUNTS])
        to_do, deferred = (
            wanted | beam.Flatten() | "WithinBudget" >> WithinBudget(self._budget, self._request, self._run_id)
        )
        by_segment = {name: planned[name] | f"BySegment {name}" >> beam.GroupByKey() for name in (RECOVERED, FAILED)}
        recovered, failed = (
            segments | f"Read {name}" >> beam.FlatMapTuple(read_journalled) for name, segments in by_segment.items()
        )
        spent = tuple(
            segments | f"Spent {name}" >> beam.MapTuple(lambda path, _: spent_before(read_segment(path)))
            for name, segments in by_segment.items()
        )
        return {
            TO_DO: to_do,
            RECOVERED: recovered,
            FAILED: failed | "DeadLetters" >> beam.FlatMap(dead_letters_of, self._run_id),
            DEFERRED: deferred,
            COUNTS: (*counts, *spent) | "Counts" >> beam.Flatten(),
        }

    def display_data(self) -> dict[str, Any]:
        return {
            "fingerprint": request_fingerprint(self._request),
            "redrive": self._policy.redrive,
            "max_redrives": self._policy.max_redrives,
            "fit": self._policy.fit or "none",
            "budget": self._budget.text or "none",
            "shard_digits": self._shard_digits,
        }


class BlockByShard(beam.DoFn):
    """ImageRef -> (shard, packed list of ImageRef), with the etags of listings only if they are wanted."""

    def __init__(self, shard_digits: int, with_etags: bool = False) -> None:
        self._digits, self._most = shard_digits, held_before_parting(_BLOCK_IMAGES, shard_digits)
        self._with_etags = with_etags

    def start_bundle(self) -> None:
        self._shards: dict[str, list[ImageRef]] = {}
        self._held = 0

    def process(self, image: ImageRef) -> Iterator[tuple[str, bytes]]:
        if image.etag and not self._with_etags:
            image = image._replace(etag="")
        self._shards.setdefault(shard_of(image.image_id, self._digits), []).append(image)
        self._held += 1
        if self._held >= self._most:
            live_counts().add({"listed": self._held})
            yield from self._blocks()
            self.start_bundle()

    def finish_bundle(self) -> Iterator[Any]:
        live_counts().add({"listed": self._held})
        yield from map(at_end_of_bundle, self._blocks())

    def _blocks(self) -> Iterator[tuple[str, bytes]]:
        return ((shard, pack(images)) for shard, images in self._shards.items())


class _PlanShard(MemberFn):
    def __init__(self, output: str | None, run_id: str, features: Sequence[str], policy: RedrivePolicy) -> None:
        super().__init__(output, run_id)
        self._features, self._policy = features, policy

    def process(self, element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[Any]:
        _, grouped = element
        blocks = list(map(unpack, grouped["images"]))
        history = map(unpack, grouped.get("history", ()))
        plan = plan_shard(blocks, history, self._features, self._policy)
        live_counts().add({"to_do": len(plan.to_do)})
        yield from plan.to_do
        for begin in range(0, len(plan.to_look_at), CASES):
            yield TaggedOutput(TO_LOOK_AT, pack(plan.to_look_at[begin : begin + CASES]))
        for name, taken_in in ((RECOVERED, plan.recovered), (FAILED, plan.recovered_dead)):
            for path_rows in taken_in.items():
                yield TaggedOutput(name, path_rows)
        yield TaggedOutput(COUNTS, {"input": sum(map(len, blocks)), **plan.counts})

    def finish_bundle(self) -> None:
        live_counts().flush()  # how many there are to do is known before the first is done


def dead_letters_of(rows: pa.Table, run_id: str) -> Iterator[DeadLetter]:
    """Rows of a journal as dead letters of the run that takes them over."""
    return (letter._replace(run_id=run_id) for letter in dead_letters(rows))
