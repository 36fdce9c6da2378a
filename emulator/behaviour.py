"""The behaviour that can be ordered while the emulator runs: limits, latency, faults. Parsed and judged here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from .fault_kinds import KINDS
from .latency import Latency
from .limits import THROTTLE_FORMS, Limit
from .shapes import NO_TEXT_FORMS

Json = Mapping[str, Any]


class BehaviourError(ValueError):
    """The order is not understood; the message names the place in the document and what is allowed there."""


@dataclass(frozen=True)
class Fault:
    """`params` is complete: what was not given has its default from KINDS."""

    kind: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Match:
    """Which calls a rule is for: all given criteria must hold.

    `rate` picks that share of the images by a seeded hash: the same images every time. `every` and `first` count the
    calls that satisfy the other criteria (for each image alone if `per_image`). `width`/`height` are inclusive ranges.
    """

    url: re.Pattern[str] | None = None
    sha256: str | None = None
    width: tuple[int, int] | None = None
    height: tuple[int, int] | None = None
    rate: float | None = None
    seed: int = 0
    every: int | None = None
    first: int | None = None
    per_image: bool = False

    @property
    def needs_picture(self) -> bool:
        return bool(self.sha256 or self.width or self.height)


@dataclass(frozen=True)
class Rule:
    match: Match
    fault: Fault


@dataclass(frozen=True)
class Outage:
    """Begins after so many calls or seconds from when it was ordered; lasts so many seconds or calls."""

    fault: Fault
    after_calls: int | None = None
    after_seconds: float | None = None
    seconds: float | None = None
    calls: int | None = None


@dataclass(frozen=True)
class Behaviour:
    """`chunked`, `gzip` and `close_idle_after` (seconds) bear on the replies to analyze calls.

    `turns`: pictures are seen as their EXIF orientation turns them.
    """

    limits: Sequence[Limit] = ()
    throttle_form: str = "both"
    latency: Latency = field(default_factory=Latency)
    rules: Sequence[Rule] = ()
    outage: Outage | None = None
    retired: bool = False
    hostile_text: bool = False
    no_text: str = "empty_blocks"
    turns: bool = False
    chunked: bool = False
    gzip: bool = False
    close_idle_after: float | None = None


def parse_behaviour(document: object) -> Behaviour:
    """Reads a JSON document whose keys are the fields of Behaviour. Raises BehaviourError."""
    given = _mapping(document, "")
    _known(given, [f.name for f in fields(Behaviour)], "")
    outage = given.get("outage")
    return Behaviour(
        limits=[_limit(item, f"limits[{i}]") for i, item in enumerate(_list(given.get("limits", []), "limits"))],
        throttle_form=_choice(given.get("throttle_form", "both"), THROTTLE_FORMS, "throttle_form"),
        latency=_latency(given.get("latency", {}), "latency"),
        rules=[_rule(item, f"rules[{i}]") for i, item in enumerate(_list(given.get("rules", []), "rules"))],
        outage=None if outage is None else _outage(outage, "outage"),
        retired=_typed(given.get("retired", False), bool, "retired"),
        hostile_text=_typed(given.get("hostile_text", False), bool, "hostile_text"),
        no_text=_choice(given.get("no_text", "empty_blocks"), NO_TEXT_FORMS, "no_text"),
        turns=_typed(given.get("turns", False), bool, "turns"),
        chunked=_typed(given.get("chunked", False), bool, "chunked"),
        gzip=_typed(given.get("gzip", False), bool, "gzip"),
        close_idle_after=_number(given, "close_idle_after", ""),
    )


def _mapping(value: object, where: str) -> Json:
    if not isinstance(value, Mapping):
        raise BehaviourError(f"{where or 'the document'}: must be an object, got {value!r}")
    return value


def _list(value: object, where: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise BehaviourError(f"{where}: must be a list, got {value!r}")
    return value


def _known(given: Json, names: Sequence[str], where: str) -> None:
    unknown = sorted(set(given) - set(names))
    if unknown:
        at = f"{where}: " if where else ""
        raise BehaviourError(f"{at}unknown {', '.join(unknown)}; allowed are {', '.join(names)}")


def _choice(value: object, allowed: Sequence[str], where: str) -> str:
    if value not in allowed:
        raise BehaviourError(f"{where}: must be one of {', '.join(allowed)}, got {value!r}")
    return str(value)


def _typed(value: Any, kind: type, where: str) -> Any:
    good = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not good or (kind is not bool and isinstance(value, bool)):
        raise BehaviourError(f"{where}: must be a {kind.__name__}, got {value!r}")
    return value


def _number(given: Json, name: str, where: str, kind: type = float, least: float = 0, most: float = 1e12) -> Any:
    """The named number, or None if it is not given."""
    if given.get(name) is None:
        return None
    at = f"{where}.{name}" if where else name
    value = _typed(given[name], kind, at)
    if not least <= value <= most:
        raise BehaviourError(f"{at}: must be between {least:g} and {most:g}, got {value!r}")
    return value


def _limit(value: object, where: str) -> Limit:
    given = _mapping(value, where)
    _known(given, ["kind", "calls", "seconds", "burst"], where)
    kind = _choice(given.get("kind", "sliding"), ("sliding", "bucket"), f"{where}.kind")
    calls = _number(given, "calls", where, least=1 if kind == "sliding" else 1e-6)
    if calls is None:
        raise BehaviourError(f"{where}.calls: is required")
    seconds = _number(given, "seconds", where, least=1e-3)
    burst = _number(given, "burst", where, least=1)
    return Limit(kind, calls, 1.0 if seconds is None else seconds, burst)  # type: ignore[arg-type]


def _latency(value: object, where: str) -> Latency:
    given = _mapping(value, where)
    _known(given, [f.name for f in fields(Latency)], where)
    numbers = {
        name: _number(given, name, where, int if name == "seed" else float, most=1 if name == "probability" else 1e6)
        for name in given
        if name != "kind"
    }
    kind = _choice(given.get("kind", "fixed"), ("fixed", "uniform", "lognormal", "tail"), f"{where}.kind")
    return Latency(kind=kind, **{k: v for k, v in numbers.items() if v is not None})  # type: ignore[arg-type]


def _rule(value: object, where: str) -> Rule:
    given = _mapping(value, where)
    _known(given, ["match", "fault"], where)
    if "fault" not in given:
        raise BehaviourError(f"{where}.fault: is required")
    return Rule(_match(given.get("match", {}), f"{where}.match"), parse_fault(given["fault"], f"{where}.fault"))


def _match(value: object, where: str) -> Match:
    given = _mapping(value, where)
    _known(given, [f.name for f in fields(Match)], where)
    sha256 = given.get("sha256")
    if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(sha256)):
        raise BehaviourError(f"{where}.sha256: must be 64 lower-case hex digits, got {sha256!r}")
    seed = _number(given, "seed", where, int)
    return Match(
        url=_pattern(given.get("url"), f"{where}.url"),
        sha256=sha256,
        width=_range(given.get("width"), f"{where}.width"),
        height=_range(given.get("height"), f"{where}.height"),
        rate=_number(given, "rate", where, most=1),
        seed=seed or 0,
        every=_number(given, "every", where, int, least=1),
        first=_number(given, "first", where, int),
        per_image=_typed(given.get("per_image", False), bool, f"{where}.per_image"),
    )


def _pattern(value: object, where: str) -> re.Pattern[str] | None:
    if value is None:
        return None
    try:
        return re.compile(_typed(value, str, where))
    except re.error as error:
        raise BehaviourError(f"{where}: is not a regular expression ({error})") from None


def _range(value: object, where: str) -> tuple[int, int] | None:
    """A number, or a list of the smallest and the largest one."""
    if value is None:
        return None
    ends = [value, value] if isinstance(value, int) else _list(value, where)
    if len(ends) != 2:
        raise BehaviourError(f"{where}: must be a number or [smallest, largest], got {value!r}")
    return _typed(ends[0], int, where), _typed(ends[1], int, where)


def parse_fault(value: object, where: str) -> Fault:
    """`{"kind": ..., params...}`; a bare string is a kind without params."""
    given = {"kind": value} if isinstance(value, str) else _mapping(value, where)
    kind = KINDS[_choice(given.get("kind"), tuple(KINDS), f"{where}.kind")]
    _known(given, ["kind", *kind.params], where)
    params = dict(kind.params)
    for name in set(given) - {"kind"}:
        default = kind.params[name]
        wanted = float if default is None or isinstance(default, float) else type(default)
        params[name] = given[name] if given[name] is default else _typed(given[name], wanted, f"{where}.{name}")
        if wanted in (int, float) and params[name] is not None and params[name] < 0:
            raise BehaviourError(f"{where}.{name}: must not be negative, got {params[name]!r}")
        if name in kind.choices:
            _choice(params[name], kind.choices[name], f"{where}.{name}")
    return Fault(kind.name, params)


def _outage(value: object, where: str) -> Outage:
    given = dict(_mapping(value, where))
    begin = _number(given, "after_calls", where, int), _number(given, "after_seconds", where)
    end = _number(given, "seconds", where), _number(given, "calls", where, int)
    if (begin[0] is None) == (begin[1] is None):
        raise BehaviourError(f"{where}: give either after_calls or after_seconds")
    if (end[0] is None) == (end[1] is None):
        raise BehaviourError(f"{where}: give either seconds or calls")
    for name in ("after_calls", "after_seconds", "seconds", "calls"):
        given.pop(name, None)
    fault = parse_fault({"kind": "unavailable", **given}, where)
    return Outage(fault, begin[0], begin[1], end[0], end[1])
