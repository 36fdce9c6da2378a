"""`WithinBudget`: the images that a run may call, and those that it leaves to the next one.

The same images on every try and with any number of workers: they are told by the order of dispatch alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, TaggedOutput

from ..schemas.outcomes import Deferred
from .endpoint.errors import MANY, check_amount, check_type, check_whole
from .endpoint.fingerprint import request_fingerprint
from .endpoint.guard import OVER_BUDGET
from .endpoint.request import AnalyzeRequest
from .endpoint.uri import ImageRef
from .ledger.budget import Bucket, Budget, Cut, affordable, budget_bucket, cut_of
from .ledger.plan import ToDo
from .live_counts import live_counts
from .prices import Prices

_Counts = Counter[tuple[Bucket, str]]


class Spending(NamedTuple):
    """A budget with the prices that it is spent at, and in words; without words there is no limit."""

    budget: Budget
    prices: Prices
    text: str


def budget_of(max_calls: int | None, max_cost: float | None, prices: Prices | None) -> Spending:
    """The budget of a run.

    Raises:
      ConfigurationError: a limit cannot be one.
    """
    check_type("max_calls", max_calls, (int, type(None)), "leave it out to call all")
    check_type("max_cost", max_cost, (int, float, type(None)), "leave it out to call all")
    budget, prices, told = Budget(), prices or Prices(), []
    if max_calls is not None:
        check_whole("max_calls", max_calls, 0, MANY, "leave it out to call all")
        budget = budget._replace(calls=max_calls)
        told.append(f"--max_calls {max_calls}")
    if max_cost is not None:
        check_amount("max_cost", max_cost, MANY, "leave it out to call all")
        budget = budget._replace(amount=Decimal(str(max_cost)))
        told.append(f"--max_cost {max_cost:.12g} {prices.currency}")
    return Spending(budget, prices, ", ".join(told))


class WithinBudget(beam.PTransform):
    """PCollection of `ToDo` -> images to call, and the others as `Deferred` with the reason `over_budget`.

    Args:
      spending: what the run may spend.
      request, run_id: of the run.
    """

    def __init__(self, spending: Spending, request: AnalyzeRequest, run_id: str) -> None:
        super().__init__()
        self._spending, self._request, self._run_id = spending, request, run_id

    def expand(self, to_do: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
        if not self._spending.text:
            nothing = to_do.pipeline | "NothingOverBudget" >> beam.Create([], reshuffle=False)
            return to_do | "Images" >> beam.Map(lambda item: item.image), nothing
        price_of = partial(price_of_call, self._spending.prices, self._request)
        cut = (
            to_do
            | "Buckets" >> beam.Map(lambda item: (budget_bucket(item), item.image.asks))
            | "CountBuckets" >> beam.CombineGlobally(_CountBuckets())
            | "Cut" >> beam.Map(cut_of, self._spending.budget, price_of)
        )
        parts = to_do | "Split" >> beam.ParDo(_SplitAtCut(), AsSingleton(cut)).with_outputs(
            "at_cut", "over", main="under"
        )
        at_cut = (
            parts.at_cut
            | "OneKey" >> beam.WithKeys(None)
            | "GatherAtCut" >> beam.GroupByKey()
            | "TakeFirst" >> beam.ParDo(_TakeFirst(price_of), AsSingleton(cut)).with_outputs("over", main="under")
        )
        under = (parts.under, at_cut.under) | "UnderBudget" >> beam.Flatten()
        over = (parts.over, at_cut.over) | "OverBudget" >> beam.Flatten()
        detail = f"{self._spending.text} was reached"
        return under, over | "Defer" >> beam.Map(_over_budget, detail, self._request, self._run_id)


@lru_cache(maxsize=1000)
def _cost_of_features(prices: tuple[tuple[str, float], ...], features: tuple[str, ...]) -> Decimal:
    return Prices(dict(prices)).cost(dict.fromkeys(features, 1))


def price_of_call(prices: Prices, request: AnalyzeRequest, asks: str) -> Decimal:
    """What one billed call costs."""
    features = tuple(asks.split(",")) if asks else request.billed_features
    return _cost_of_features(tuple(prices.per_thousand.items()), features)


class _CountBuckets(beam.CombineFn):
    def create_accumulator(self) -> _Counts:
        return Counter()

    def add_input(self, counts: _Counts, bucket: tuple[Bucket, str]) -> _Counts:
        counts[bucket] += 1
        return counts

    def merge_accumulators(self, accumulators: Iterable[_Counts]) -> _Counts:
        return sum(accumulators, Counter())

    def extract_output(self, counts: _Counts) -> dict[tuple[Bucket, str], int]:
        return dict(counts)


class _Splits(beam.DoFn):
    """Says how many are left out, for who watches."""

    def _over(self, image: ImageRef) -> TaggedOutput:
        live_counts().add({OVER_BUDGET: 1})
        return TaggedOutput("over", image)

    def finish_bundle(self) -> None:
        live_counts().flush()


class _SplitAtCut(_Splits):
    def process(self, to_do: ToDo, cut: Cut | None) -> Iterator[Any]:
        bucket = budget_bucket(to_do)
        if cut is None or bucket < cut.bucket:
            yield to_do.image
        elif bucket == cut.bucket:
            yield TaggedOutput("at_cut", to_do)
        else:
            yield self._over(to_do.image)


class _TakeFirst(_Splits):
    def __init__(self, price_of: partial[Decimal]) -> None:
        self._price_of = price_of

    def process(self, gathered: tuple[None, Iterable[ToDo]], cut: Cut) -> Iterator[Any]:
        images = sorted((to_do.image for to_do in gathered[1]), key=lambda image: image.image_id)
        number = affordable((image.asks for image in images), cut.left, self._price_of)
        yield from images[:number]
        yield from map(self._over, images[number:])


def _over_budget(image: ImageRef, detail: str, request: AnalyzeRequest, run_id: str) -> Deferred:
    fingerprint = request_fingerprint(request.asking(image.asks))
    return Deferred(image.image_id, image.image_uri, OVER_BUDGET, detail, fingerprint, run_id)
