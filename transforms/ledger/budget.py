"""How far a budget reaches: plain functions on numbers, no Beam. What is called first is what was deferred before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import inf
from typing import NamedTuple

from .plan import ToDo

Bucket = tuple[int, str]
PriceOf = Callable[[str], Decimal]  # of the call of an image, by its `asks`


class Budget(NamedTuple):
    """What may be spent: so many calls, and such an amount."""

    calls: float = inf
    amount: Decimal = Decimal("Infinity")

    def less(self, calls: int, amount: Decimal) -> Budget:
        """What is left of it."""
        return Budget(self.calls - calls, self.amount - amount)

    @property
    def is_overdrawn(self) -> bool:
        """Whether more was spent than there was."""
        return self.calls < 0 or self.amount < 0


class Cut(NamedTuple):
    """Where a budget ends, in the order of (priority, bucket): all before it are called, of `bucket` what is `left`."""

    bucket: Bucket
    left: Budget


def budget_bucket(to_do: ToDo) -> Bucket:
    """The part of the order of dispatch that an image falls in: what was deferred first, then by image id."""
    return to_do.priority, to_do.image.image_id[:4]


def cut_of(counts: Mapping[tuple[Bucket, str], int], budget: Budget, price_of: PriceOf) -> Cut | None:
    """Where a budget ends, given how many images of each bucket are to be asked what; None if all fit."""
    buckets: dict[Bucket, Budget] = {}
    for (bucket, asks), number in counts.items():
        spent = buckets.get(bucket, Budget(0, Decimal()))
        buckets[bucket] = Budget(spent.calls + number, spent.amount + number * price_of(asks))
    for bucket in sorted(buckets):
        left = Budget(budget.calls - buckets[bucket].calls, budget.amount - buckets[bucket].amount)
        if left.is_overdrawn:
            return Cut(bucket, budget)
        budget = left
    return None


def affordable(asks: Iterable[str], left: Budget, price_of: PriceOf) -> int:
    """How many images fit, in their order."""
    number = 0
    for each in asks:
        left = left.less(1, price_of(each))
        if left.is_overdrawn:
            break
        number += 1
    return number
