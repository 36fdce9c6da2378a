"""Strict reading of JSON, a column at a time: fast where all is well, exact about the place where it is not.

Each reader takes a list of objects and gives one column of theirs. It checks the types of the whole column at once, and
looks for the offender only when that check fails. Arrow would not do: it turns 1.5 into 1, and a misspelt key into null.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
MAX_UNKNOWN = 200
_UNKNOWN_NAME = 200


class Malformed(Exception):
    """An answer that is not the contract: where (`path`), and what is wrong there."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path, self.message = path, message


class UnknownFields:
    """Counts fields that the contract does not name, by path without positions; never a reason to reject."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def check(self, item: dict[str, Any], known: frozenset[str], path: str) -> None:
        """Counts the fields of one object that are not `known`."""
        if not item.keys() <= known:
            for name in item.keys() - known:
                self.count(f"{path}.{name}" if path else name)

    def check_all(self, items: list[dict[str, Any]], known: frozenset[str], path: str) -> None:
        """Counts the fields of all objects of a list that are not `known`."""
        for item in items:
            if not item.keys() <= known:
                self.check(item, known, path)

    def count(self, path: str) -> None:
        """Counts one field."""
        name = path[:_UNKNOWN_NAME].encode("utf-8", "replace").decode()
        if name in self.counts or len(self.counts) < MAX_UNKNOWN:
            self.counts[name] += 1


def the_object(value: Any, path: str) -> dict[str, Any]:
    """The value, which has to be an object."""
    if type(value) is not dict:
        raise Malformed(path, f"expected an object, got {shown(value)}")
    return value


def objects(container: dict[str, Any], name: str, path: str, *, required: bool = True) -> list[dict[str, Any]]:
    """The list of objects that `container` has under `name`; empty where it may be absent or null."""
    value = container.get(name)
    if value is None and (not required):
        return []
    where = f"{path}.{name}"
    if type(value) is not list:
        raise Malformed(where, _expected("a list", container, name))
    if value and set(map(type, value)) != {dict}:
        position = next(position for position, item in enumerate(value) if type(item) is not dict)
        raise Malformed(f"{where}[{position}]", f"expected an object, got {shown(value[position])}")
    return value


def strings(items: list[dict[str, Any]], name: str, path: str, *, required: bool = True) -> list[Any]:
    """A column of texts; None for absent and null ones where that is allowed."""
    values = [item.get(name) for item in items]
    if set(map(type, values)) <= {str}:
        return values
    for position, value in enumerate(values):
        if type(value) is not str and (value is not None or required):
            raise Malformed(f"{path}[{position}].{name}", _expected("a text", items[position], name))
    return values


def floats(items: list[dict[str, Any]], name: str, path: str) -> list[float]:
    """A column of numbers, as floats that equal what was received."""
    values = [item.get(name) for item in items]
    if set(map(type, values)) <= {float} and math.isfinite(sum(values)):  # type: ignore[arg-type]
        return values  # type: ignore[return-value]
    return [
        exact_float(value, f"{path}[{position}].{name}", items[position], name) for position, value in enumerate(values)
    ]


def exact_float(value: Any, path: str, container: dict[str, Any], name: str) -> float:
    """A number as a float that equals it."""
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    raise Malformed(path, _expected("a finite number", container, name))


def ints(items: list[dict[str, Any]], name: str, path: str) -> list[int]:
    """A column of 32-bit integers."""
    values = [item.get(name) for item in items]
    if set(map(type, values)) <= {int} and (
        not values or (INT32_MIN <= min(values) and max(values) <= INT32_MAX)  # type: ignore[type-var]
    ):
        return values  # type: ignore[return-value]
    return [exact_int(item, name, f"{path}[{position}]") for position, item in enumerate(items)]


def exact_int(item: dict[str, Any], name: str, path: str) -> int:
    """A 32-bit integer of one object."""
    value = item.get(name)
    if type(value) is not int or not INT32_MIN <= value <= INT32_MAX:
        raise Malformed(f"{path}.{name}", _expected("a 32-bit integer", item, name))
    return value


def text(item: dict[str, Any], name: str, path: str, *, required: bool = True) -> str | None:
    """A text of one object."""
    value = item.get(name)
    if type(value) is str or (value is None and not required):
        return value
    raise Malformed(f"{path}.{name}", _expected("a text", item, name))


def number(item: dict[str, Any], name: str, path: str) -> float:
    """A number of one object, as a float that equals it."""
    return exact_float(item.get(name), f"{path}.{name}", item, name)


_BOX = frozenset("xywh")


def boxes(items: list[dict[str, Any]], path: str, unknown: UnknownFields) -> dict[str, list[int]]:
    """The columns x, y, w, h of the bounding boxes."""
    found = [item.get("boundingBox") for item in items]
    if not set(map(type, found)) <= {dict}:
        for position, value in enumerate(found):
            if type(value) is not dict:
                raise Malformed(
                    f"{path}[{position}].boundingBox", _expected("an object", items[position], "boundingBox")
                )
    unknown.check_all(found, _BOX, f"{path}[].boundingBox")  # type: ignore[arg-type]
    columns = {}
    for side in "xywh":
        try:
            columns[side] = ints(found, side, "")  # type: ignore[arg-type]
        except Malformed as error:
            position = error.path.partition("]")[0]
            raise Malformed(f"{path}{position}].boundingBox.{side}", error.message) from None
    return columns


def shown(value: Any) -> str:
    """A value in a message, short and printable."""
    if type(value) in (dict, list):
        return f"{'an object' if type(value) is dict else 'a list'} of {len(value)}"
    if type(value) is int and abs(value) > 10**30:
        return "a huge integer"
    printed = repr(value)
    return (printed if len(printed) <= 40 else f"{printed[:40]}…").encode("utf-8", "replace").decode()


def _expected(what: str, container: dict[str, Any], name: str) -> str:
    return f"expected {what}, got {shown(container[name]) if name in container else 'nothing'}"
