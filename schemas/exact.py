"""Exact reading of JSON, a column at a time: of every answer, and exact about the place that is not the contract.

A column of a whole batch of answers is checked at once, and the offender is looked for only when that check fails.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from .reading import (
    EXACT_INTEGERS,
    INT32_MAX,
    INT32_MIN,
    Column,
    Malformed,
    Objects,
    UnknownFields,
    members,
    printable,
)


class ExactObjects(Objects):
    """JSON objects as Python reads them: `values[i]` is one. Columns are lists, a nested cell is a list of tuples.

    The places that errors name are worked out only for an error.
    """

    answers: list[int]
    owners: list[int]

    def __init__(
        self,
        values: list[dict[str, Any]],
        answers: list[int],
        unknown: UnknownFields,
        *,
        name: str = "",
        parent: ExactObjects | None = None,
        owners: list[int] | None = None,
        listed: bool = False,
    ) -> None:
        self.values, self.answers, self.unknown = values, answers, unknown
        self.owners = owners or []
        self._name, self._parent, self._listed = name, parent, listed

    def __len__(self) -> int:
        return len(self.values)

    @property
    def pattern(self) -> str:
        """The JSON path of these objects, without positions: `objectsResult.values[]`."""
        return _joined(self._parent.pattern if self._parent else "", f"{self._name}[]" if self._listed else self._name)

    def path(self, index: int) -> str:
        """The JSON path of one object: `objectsResult.values[3]`."""
        if self._parent is None:
            return ""
        owner = self.owners[index]
        position = f"[{index - bisect_left(self.owners, owner)}]" if self._listed else ""
        return _joined(self._parent.path(owner), f"{self._name}{position}")

    def know(self, *names: str) -> None:
        if set().union(*self.values).issubset(names):
            return
        for item in self.values:
            for name in members(item) - set(names):
                self.unknown.count(_joined(self.pattern, name))

    def where(self, keep: Callable[[dict[str, Any]], bool]) -> ExactObjects:
        chosen = [index for index, item in enumerate(self.values) if keep(item)]
        if len(chosen) == len(self):
            return self
        return self._held([self.values[index] for index in chosen], chosen, "", listed=False)

    def child(self, name: str, *, required: bool = True) -> ExactObjects:
        values = self._cells(name)
        owners: list[int] = list(range(len(values)))
        if not required:
            owners = [index for index, value in enumerate(values) if value is not None]
            values = [values[index] for index in owners]
        held = self._held(values, owners, name, listed=False)
        if not set(map(type, values)) <= {dict}:
            held._find(values, _an_object)
        return held

    def children(self, name: str, *, required: bool = True, length: int | None = None) -> ExactObjects:
        lists = self._lists(name, required, length)
        values = list(chain.from_iterable(lists))
        owners = [owner for owner, items in enumerate(lists) for _ in items]
        held = self._held(values, owners, name, listed=True)
        if not set(map(type, values)) <= {dict}:
            held._find(values, _an_object)
        return held

    def strings(self, name: str, *, required: bool = True) -> list[Any]:
        values = self._cells(name)
        texts = values if required else [value for value in values if value is not None]
        try:
            # Fails for what is no text, and for half a surrogate pair, which no file can hold.
            "".join(texts).encode()
        except (TypeError, UnicodeEncodeError):
            self._find(values, _a_text if required else _a_text_or_nothing, name)
        return values

    def floats(self, name: str) -> list[float]:
        values = self._cells(name)
        if set(map(type, values)) <= {float} and math.isfinite(sum(values)):
            return values
        return self._find(values, _a_number, name)

    def ints(self, name: str, minimum: int = INT32_MIN) -> list[int]:
        values = self._cells(name)
        if set(map(type, values)) <= {int} and (not values or (min(values) >= minimum and max(values) <= INT32_MAX)):
            return values
        return self._find(values, _an_integer(minimum), name)

    def flags(self, name: str) -> list[bool]:
        values = self._cells(name)
        if set(map(type, values)) <= {bool}:
            return values
        return self._find(values, _a_flag, name)

    def flat_polygons(self) -> list[tuple[float, ...]]:
        lists = self._lists("boundingBox", True, 8)
        numbers = list(chain.from_iterable(lists))
        if not set(map(type, numbers)) <= {int} or (numbers and not _all_exact(numbers)):
            numbers = [self._number_of(index, position) for index in range(len(lists)) for position in range(8)]
        return _eights(numbers)

    def _polygons(self, xs: Column, ys: Column) -> list[tuple[float, ...]]:
        numbers = [0.0] * (2 * len(xs))
        numbers[0::2], numbers[1::2] = xs, ys
        return _eights(numbers)

    def held(self, names: Sequence[str]) -> list[list[str]]:
        return [[name for name in names if value.get(name) is not None] for value in self.values]

    def demand_list(self, name: str) -> None:
        self._find(self._cells(name), _a_list(None), name)

    def ordinals(self) -> list[int]:
        return [position for _, same in groupby(self.answers) for position, _ in enumerate(same)]

    def spread(self, column: Column) -> list[Any]:
        return [column[owner] for owner in self.owners]

    def firsts(self, column: Column) -> list[Any]:
        return [cells[0] if cells else None for cells in self._by_owner(column)]

    def joined(self, texts: Column, separator: str) -> list[str]:
        return list(map(separator.join, self._by_owner(texts)))

    def grouped(self, **columns: Column) -> list[list[tuple[Any, ...]]]:
        return self._by_owner(zip(*columns.values(), strict=True))

    def _by_owner(self, cells: Iterable[Any]) -> list[list[Any]]:
        assert self._parent is not None
        groups: list[list[Any]] = [[] for _ in self._parent.values]
        for owner, cell in zip(self.owners, cells, strict=True):
            groups[owner].append(cell)
        return groups

    def _cells(self, name: str) -> list[Any]:
        try:
            return list(map(itemgetter(name), self.values))
        except KeyError:
            return [item.get(name) for item in self.values]

    def _held(self, values: list[Any], owners: list[int], name: str, *, listed: bool) -> ExactObjects:
        answers = list(map(self.answers.__getitem__, owners))
        return ExactObjects(values, answers, self.unknown, name=name, parent=self, owners=owners, listed=listed)

    def _lists(self, name: str, required: bool, length: int | None) -> list[list[Any]]:
        lists = self._cells(name)
        if length is None:
            # Null holds nothing, as an empty list does. What is absent may be there under another name.
            cells = zip(lists, self.values, strict=True)
            lists = [[] if cell is None and (not required or name in item) else cell for cell, item in cells]
        if not set(map(type, lists)) <= {list} or (length is not None and not set(map(len, lists)) <= {length}):
            self._find(lists, _a_list(length), name)
        return lists

    def _number_of(self, index: int, position: int) -> float:
        value = self.values[index]["boundingBox"][position]
        try:
            return _a_number(value)
        except _UnfitError as unfit:
            path = f"{self.path(index)}.boundingBox[{position}]"
            raise Malformed(self.answers[index], path, _expected(str(unfit), value)) from None

    def _find(self, values: list[Any], read: Callable[[Any], Any], name: str = "") -> list[Any]:
        """Reads a column cell by cell, up to the first cell that is unfit."""
        cells = []
        for index, value in enumerate(values):
            try:
                cells.append(read(value))
            except _UnfitError as unfit:
                missing = value is None and not self._is_null(index, name)
                raise Malformed(
                    self.answers[index],
                    _joined(self.path(index), name) or "$",
                    _expected(str(unfit), _NOTHING if missing else value),
                ) from None
        return cells

    def _is_null(self, index: int, name: str) -> bool:
        if name:
            return name in self.values[index]
        return self._listed or self._parent is None or self._name in self._parent.values[self.owners[index]]


_NOTHING = object()


class _UnfitError(Exception):
    """A cell is not what is wanted, which the exception says."""


def _an_object(value: Any) -> Any:
    if type(value) is not dict:
        raise _UnfitError("an object")
    return value


def _a_list(length: int | None) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not list or (length is not None and len(value) != length):
            raise _UnfitError("a list" if length is None else f"a list of {length}")
        return value

    return read


def _a_text(value: Any) -> Any:
    if type(value) is not str:
        raise _UnfitError("a text")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise _UnfitError("a text without half a surrogate pair")
    return value


def _a_text_or_nothing(value: Any) -> Any:
    return None if value is None else _a_text(value)


def _a_number(value: Any) -> float:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) <= EXACT_INTEGERS:
        return float(value)
    raise _UnfitError("a finite number")


def _an_integer(minimum: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise _UnfitError("an integer")
        if not minimum <= value <= INT32_MAX:
            raise _UnfitError(f"an integer from {minimum} to {INT32_MAX}")
        return value

    return read


def _a_flag(value: Any) -> Any:
    if type(value) is not bool:
        raise _UnfitError("true or false")
    return value


def _all_exact(numbers: list[int]) -> bool:
    return min(numbers) >= -EXACT_INTEGERS and max(numbers) <= EXACT_INTEGERS


def _eights(numbers: list[Any]) -> list[tuple[Any, ...]]:
    return list(zip(*[iter(numbers)] * 8, strict=True))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _expected(wanted: str, found: Any) -> str:
    return f"expected {wanted}, got {'nothing' if found is _NOTHING else shown(found)}"


def shown(value: Any) -> str:
    """A value in a message, as JSON spells it, short and printable."""
    if type(value) in (dict, list):
        return f"{'an object' if type(value) is dict else 'a list'} of {len(value)}"
    if type(value) is int and abs(value) > 10**30:
        return "a huge integer"
    if type(value) is str:
        return printable(f'"{value}"' if len(value) <= 40 else f'"{value[:40]}…"', 50)
    return {None: "null", True: "true", False: "false"}[value] if value is None or type(value) is bool else repr(value)
