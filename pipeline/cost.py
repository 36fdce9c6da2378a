"""What runs cost, by their manifests: the one source of the report and of the view `cost`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from ..transforms.cost import by_feature
from ..transforms.endpoint.request import AnalyzeRequest, known_request
from ..transforms.prices import INDICATIVE, Prices
from .manifests import Manifest, moment

COST = pa.schema(
    [
        ("run_id", pa.string()),
        ("day", pa.date32()),
        ("feature", pa.string()),
        ("transactions", pa.int64()),
        ("amount", pa.decimal128(38, 9)),
        ("currency", pa.string()),
    ]
)
_DIGITS = Decimal("1e-9")


class Spent(NamedTuple):
    """What a run spent: transactions by day and feature, and the prices at which they are counted."""

    by_day: dict[tuple[date, str], int]
    prices: Prices

    @property
    def transactions(self) -> dict[str, int]:
        """By feature."""
        return by_feature(self.by_day)

    @property
    def amount(self) -> Decimal:
        """Of all of them."""
        return self.prices.cost(self.transactions).quantize(_DIGITS)


def spent(manifest: Manifest, prices: Prices | None = None) -> Spent | None:
    """What a run cost by its manifest; None where that does not say it, nor what was asked and when.

    `prices`: instead of its own.
    """
    cost = manifest["cost"]
    if cost["currency"]:
        by_day = {(date.fromisoformat(row["day"]), row["feature"]): row["transactions"] for row in cost["by_day"]}
        own = Prices(INDICATIVE | cost["per_thousand"], cost["currency"], cost["prices"])
        return Spent(by_day, prices or own)
    request, ended = asked(manifest), moment(manifest["committed_at"])
    if request is None or ended is None:
        return None
    answers = manifest["attempts"].get("answered", 0)
    by_day = {(ended.date(), name): answers for name in request.billed_features if answers}
    return Spent(by_day, prices or Prices())


def cost_table(manifests: Iterable[Manifest], prices: Prices | None = None) -> pa.Table:
    """A row for each run, day and feature that was billed, of the schema `COST`. Sums of amounts are exact."""
    rows = []
    for manifest in manifests:
        if (of_run := spent(manifest, prices)) is not None:
            for (day, feature), number in of_run.by_day.items():
                amount = of_run.prices.cost({feature: number}).quantize(_DIGITS)
                rows.append((manifest["run_id"], day, feature, number, amount, of_run.prices.currency))
    return table_of(COST, rows)


def table_of(schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Tuples, whose values are in the order of the schema, as a table."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def asked(manifest: Manifest) -> AnalyzeRequest | None:
    """What a run asked of every image; None where it says nothing of it, or nothing that is known here."""
    return known_request(manifest["request"])
