"""What the manifest says of a run, as the report shows it: accounts, pace, cost, and faults with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from ...transforms.endpoint.faults import OUTAGE_FAULTS
from ...transforms.prices import INDICATIVE, Prices
from ..cost import asked, spent
from ..manifests import Manifest
from ..troubleshooting import advice
from .reading import Folder, batches
from .wording import readable

OUTCOMES = ("analyzed", "dead_letters", "deferred", "skipped", "duplicates")
EXAMPLES = 5
_OUTAGE_REASON = "outage"


class Step(NamedTuple):
    """A second, or several, of a run: attempts by what came of them. `state` is ``, `throttled` or `outage`."""

    at: int
    seconds: int
    answered: int
    throttled: int
    failed: int
    state: str


class Example(NamedTuple):
    """One image of a fault group."""

    image_uri: str
    message: str
    facts: list[str]


class Group(NamedTuple):
    """Images that ended for one reason: how many, what to do about it, and a few of them."""

    name: str
    number: int
    advice: str
    examples: list[Example]


class Cost(NamedTuple):
    """What the run cost: what the service reported, and transactions, by feature, times prices.

    Transactions are None where it is not known what was asked. `saved`: what it would have cost to ask all that was
    skipped or listed twice. `recovered` of the amount was spent by a run that did not end; `maybe` may be due besides.
    """

    reported_units: int
    transactions: dict[str, int] | None
    amount: Decimal
    saved: Decimal
    recovered: Decimal
    maybe: Decimal
    prices: Prices


def totals(manifests: Iterable[Manifest]) -> Counter[str]:
    """Outcomes and calls of several runs together."""
    total: Counter[str] = Counter()
    for manifest in manifests:
        total.update({name: manifest["conservation"][name] for name in ("input", *OUTCOMES)})
        total["attempts"] += manifest["calls"]["attempts"]
        total["billed_units"] += manifest["calls"]["billed_units"]
    return total


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


def cost(manifest: Manifest, prices: Prices | None) -> Cost:
    """What was billed, by the replies' headers and by the price list; by the run's own prices, if none are given."""
    accounts, told, of_run = manifest["conservation"], manifest["cost"], spent(manifest)
    prices = prices or (of_run.prices if of_run else Prices(INDICATIVE))
    request = asked(manifest)
    known = accounts["skipped"] + accounts["duplicates"]
    return Cost(
        max(told["reported_units"], manifest["calls"]["billed_units"]),
        of_run.transactions if of_run else None,
        prices.cost(of_run.transactions if of_run else {}),
        prices.cost(dict.fromkeys(request.billed_features, known) if request else {}),
        prices.cost(told["recovered"]),
        prices.cost(told["maybe_billed"]),
        prices,
    )


def dead_letter_groups(folder: Folder) -> list[Group]:
    """The run's dead letters by class, the largest group first."""
    numbers: dict[str, int] = folder.run["dead_letters"]
    columns = ["class", "image_uri", "message", "http_status", "code", "inner_code", "attempts", "request_id"]
    found: dict[str, list[Example]] = {name: [] for name in numbers}
    for row in _first_rows(folder, "dead_letters", columns, numbers, "class"):
        facts = [f"HTTP {row['http_status']}" if row["http_status"] else "", row["code"], row["inner_code"]]
        facts += [f"{row['attempts']} attempts" if (row["attempts"] or 0) > 1 else ""]
        facts += [f"request {row['request_id']}" if row["request_id"] else ""]
        found[row["class"]].append(_example(row["image_uri"], row["message"], facts))
    return _groups(numbers, found)


def deferred_groups(folder: Folder) -> list[Group]:
    """The run's deferred images by reason, the largest group first."""
    numbers: dict[str, int] = folder.run["deferred"]
    found: dict[str, list[Example]] = {name: [] for name in numbers}
    for row in _first_rows(folder, "deferred", ["reason", "image_uri", "detail"], numbers, "reason"):
        found[row["reason"]].append(_example(row["image_uri"], row["detail"], []))
    return _groups(numbers, found)


def _first_rows(
    folder: Folder, table: str, columns: list[str], numbers: dict[str, int], key: str
) -> Iterable[dict[str, Any]]:
    """A few rows of each group; reading ends when every group has its share."""
    missing = {name: min(number, EXAMPLES) for name, number in numbers.items()}
    for rows in batches(folder.output, [folder.run], table, columns):
        if not any(missing.values()):
            return
        for index, name in enumerate(rows[key].to_pylist()):
            if missing.get(name):
                missing[name] -= 1
                yield rows.slice(index, 1).to_pylist()[0]


def _example(uri: str | None, message: str | None, facts: Iterable[str | None]) -> Example:
    return Example(readable(uri), readable(message), [readable(fact) for fact in facts if fact])


def _groups(numbers: dict[str, int], examples: dict[str, list[Example]]) -> list[Group]:
    largest_first = sorted(numbers, key=lambda name: (-numbers[name], name))
    return [Group(name, numbers[name], advice(name), examples[name]) for name in largest_first]
