"""What the manifest says of a run, as the report shows it: accounts, pace, cost, and faults with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.endpoint.faults import FAULTS, OUTAGE_FAULTS
from ...transforms.endpoint.request import AnalyzeRequest
from ..manifests import Manifest
from ..prices import Prices, billed_features
from .reading import Folder, batches
from .wording import readable

OUTCOMES = ("analyzed", "dead_letters", "deferred", "skipped", "duplicates")
EXAMPLES = 5
_OUTAGE_REASON = "outage"
_AGAIN = {
    _OUTAGE_REASON: "run the same command again when the service is well",
    "over_budget": "run the same command again to go on",
    "interrupted": "run the same command again to go on",
}


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
    """What the run cost: what the service reported, and transactions times prices. None: the request is not known."""

    reported_units: int
    transactions: int | None
    amount: float | None
    saved: float | None
    prices: Prices
    features: tuple[str, ...]


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


def cost(manifest: Manifest, prices: Prices) -> Cost:
    """What was billed, by the answers' headers and by the price list."""
    accounts, units, request = manifest["conservation"], manifest["calls"]["billed_units"], asked(manifest)
    if request is None:
        return Cost(units, None, None, None, prices, ())
    features, answers = billed_features(request), manifest["attempts"].get("answered", 0)
    known = accounts["skipped"] + accounts["duplicates"]
    return Cost(
        units,
        answers * len(features),
        prices.cost(dict.fromkeys(features, answers)),
        prices.cost(dict.fromkeys(features, known)),
        prices,
        features,
    )


def asked(manifest: Manifest) -> AnalyzeRequest | None:
    """What a run asked of every image; None where it says nothing of it, or nothing that is known here."""
    known = AnalyzeRequest.__dataclass_fields__  # a later version may ask for more
    given = {name: _frozen(value) for name, value in manifest["request"].items() if name in known}
    try:
        return AnalyzeRequest(**given) if given else None
    except ConfigurationError:
        return None


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


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


def advice(name: str) -> str:
    """What a person can do about a fault class or a reason for deferring."""
    return _AGAIN.get(name) or (FAULTS[name].fix if name in FAULTS else "run the same command again")
