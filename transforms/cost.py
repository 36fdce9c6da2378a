"""What a run cost, in one arithmetic for the plan, the manifest, the report and the view `cost`.

A call is billed if it was answered, or if its reply says so (`CSP-Billing-Usage`): also an image that was refused. The
header counts one unit for a call; the price list counts a transaction for each feature that the call asked. Amounts are
transactions of the price list times its prices. A call without an answer may have been billed; it is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from .endpoint.request import CUSTOM_MODEL
from .endpoint.settle import Attempt
from .ledger.journal import ANSWERS, Segment
from .prices import Prices

RECOVERED = "recovered."  # what a run that did not end had spent on answers that are taken over
_BILLED, _MAYBE, _UNITS = "billed.", "maybe_billed.", "billed_units"


def transactions_of(attempt: Attempt) -> Iterator[str]:
    """The counts that an attempt adds to, each by one."""
    if attempt.is_billed:
        yield from (_billed(datetime.fromtimestamp(attempt.ended_at, timezone.utc), name) for name in attempt.asked)
    elif attempt.result == "unanswered":
        yield from (f"{_MAYBE}{name}" for name in attempt.asked)


def spent_before(segment: Segment) -> dict[str, int]:
    """The counts of what a segment that is taken over had cost."""
    counts: Counter[str] = Counter(
        {name: number for name, number in segment.counts.items() if name.startswith((_BILLED, _MAYBE, _UNITS))}
    )
    if segment.kind == ANSWERS and not any(name.startswith(_BILLED) for name in counts):
        called = segment.rows.filter(segment.rows["copy_of"].is_null())
        columns = (called[name].to_pylist() for name in ("analyzed_at", "features"))
        for at, features in zip(*columns, strict=True):  # of a version that did not count them
            counts.update(_billed(at, name) for name in features or (CUSTOM_MODEL,))
    return {f"{RECOVERED}{name}": number for name, number in counts.items()}


def cost_of(counts: Mapping[str, int], prices: Prices) -> dict[str, Any]:
    """What the manifest says of the cost of a run with these counts."""
    by_day: Counter[tuple[str, str]] = Counter()
    recovered: Counter[str] = Counter()
    maybe: Counter[str] = Counter()
    for name, number in counts.items():
        plain = name.removeprefix(RECOVERED)
        if plain.startswith(_BILLED):
            day, feature = plain.removeprefix(_BILLED).split(".")
            by_day[day, feature] += number
            recovered[feature] += number * (plain != name)
        elif plain.startswith(_MAYBE):
            maybe[plain.removeprefix(_MAYBE)] += number
    transactions = by_feature(by_day)
    return {
        "amount": float(prices.cost(transactions)),
        "currency": prices.currency,
        "prices": prices.source,
        "per_thousand": dict(sorted(prices.per_thousand.items())),
        "reported_units": counts.get(_UNITS, 0) + counts.get(RECOVERED + _UNITS, 0),
        "transactions": transactions,
        "recovered": dict(sorted((+recovered).items())),
        "maybe_billed": dict(sorted(maybe.items())),
        "by_day": [{"day": day, "feature": name, "transactions": by_day[day, name]} for day, name in sorted(by_day)],
    }


def by_feature(by_day: Mapping[tuple[Any, str], int]) -> dict[str, int]:
    """Transactions by feature, of those by day and feature."""
    transactions: Counter[str] = Counter()
    for (_, feature), number in sorted(by_day.items(), key=lambda item: item[0][1]):
        transactions[feature] += number
    return dict(transactions)


def _billed(at: datetime, feature: str) -> str:
    return f"{_BILLED}{at:%Y-%m-%d}.{feature}"
