"""What the manifest says of a run, as the report and the last lines show it: outcomes, pace and cost."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from ...transforms.endpoint.faults import OUTAGE_FAULTS
from ...transforms.prices import Prices
from ..cost import asked, spent
from ..manifests import Manifest, moment

OUTCOMES = ("analyzed", "dead_letters", "deferred", "skipped", "duplicates")
SKIPPED = {
    "answered": "answered before",
    "known_bad": "known to be bad",
    "redrives_spent": "called often enough",
    "unseen": "answered but cannot be looked at",
}
_OUTAGE_REASON = "outage"
_LIMITED_BY = {
    "limit": "limited by the rate (--requests_per_second, or what was found)",
    "window": "limited by the window (--max_in_flight)",
    "refusals": "limited by the service's refusals",
    "share": "limited by waiting for a share of the rate",
    _OUTAGE_REASON: "limited by an outage",
}


class Step(NamedTuple):
    """A second, or several, of a run: attempts by what came of them. `state` is ``, `throttled` or `outage`."""

    at: int
    seconds: int
    answered: int
    throttled: int
    failed: int
    state: str


class Cost(NamedTuple):
    """What the run cost: what the service reported, and transactions, by feature, times prices.

    Transactions are None where it is not known what was asked. `saved`: what it would have cost to ask all that was
    skipped, listed twice, or a copy of another image. `recovered` of the amount was spent by a run that did not end;
    `maybe` may be due besides.
    """

    reported_units: int
    transactions: dict[str, int] | None
    amount: Decimal
    saved: Decimal
    recovered: Decimal
    maybe: Decimal
    prices: Prices


def pace(manifest: Manifest) -> list[Step]:
    """The run's time line without gaps.

    Steps without an attempt share the state of the ones before: calls wait while the service throttles or is away.
    """
    points = {point["at"]: point for point in manifest["timeline"]}
    if not points:
        return []
    length = next(iter(points.values()))["seconds"]
    steps: list[Step] = []
    state = ""
    for at in range(min(points), max(points) + 1, length):
        point = points.get(at, {})
        state = _state(point) if point else state
        steps.append(_step(at, length, point, state))
    return steps


def _step(at: int, length: int, point: dict[str, int], state: str) -> Step:
    attempts = sum(number for name, number in point.items() if name not in ("at", "seconds"))
    answered, throttled = point.get("answered", 0), point.get("throttled", 0)
    return Step(at, length, answered, throttled, attempts - answered - throttled, state)


def _state(point: dict[str, int]) -> str:
    if point.get("throttled"):
        return "throttled"
    away = any(point.get(fault) for fault in OUTAGE_FAULTS)
    return _OUTAGE_REASON if away and not point.get("answered") else ""


def duration(manifest: Manifest) -> float | None:
    """Seconds from the start of the run to its commit; None where it does not tell them."""
    begun, ended = moment(manifest["started_at"]), moment(manifest["committed_at"])
    return (ended - begun).total_seconds() if begun and ended else None


def limited_by(manifest: Manifest) -> str:
    """What calls waited for longest, in words; empty where they waited for nothing."""
    waited = manifest["limited_by"]
    if not waited:
        return ""
    most = max(waited, key=waited.__getitem__)
    return _LIMITED_BY.get(most, f"limited by {most}")


def cost(manifest: Manifest, prices: Prices | None) -> Cost:
    """What was billed, by the replies' headers and by the price list; by the run's own prices, if none are given."""
    accounts, told, of_run = manifest["conservation"], manifest["cost"], spent(manifest, prices)
    prices = prices or (of_run.prices if of_run else Prices())
    request = asked(manifest)
    known = accounts["skipped"] + accounts["duplicates"] + manifest["copies"]
    return Cost(
        max(told["reported_units"], manifest["calls"]["billed_units"]),
        of_run.transactions if of_run else None,
        prices.cost(of_run.transactions if of_run else {}),
        prices.cost(dict.fromkeys(request.billed_features, known) if request else {}),
        prices.cost(told["recovered"]),
        prices.cost(told["maybe_billed"]),
        prices,
    )
