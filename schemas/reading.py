"""How the tables read JSON: what `exact.py` and `fast.py` both do, so that a section is described once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
EXACT_INTEGERS = 2**53  # up to here every integer is a float
MAX_UNKNOWN = 200
OTHER_UNKNOWN = "(further fields)"

Column: TypeAlias = "Sequence[Any] | pa.Array"
Positions = npt.NDArray[np.int64]


class Malformed(Exception):
    """An answer that is not the contract: which one of the batch, where in it (`path`), and what is wrong there."""

    def __init__(self, answer: int, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.answer, self.path, self.message = answer, path, message


class UnknownFields(Counter[str]):
    """Counts of fields that the contract does not name, by path without positions; never a reason to reject."""

    def count(self, path: str, times: int = 1) -> None:
        """Counts a field; the first 200 paths by name, the others together."""
        name = printable(path, 200)
        self[name if name in self or len(self) < MAX_UNKNOWN else OTHER_UNKNOWN] += times


class Objects(ABC):
    """JSON objects of one kind, from all answers of a batch: the rows that columns are read from.

    `answers[i]` is the answer that object `i` is in (never decreasing), `owners[i]` the position of the object that
    holds it among its parent's objects. A reading that finds no column where it has to be one raises.
    """

    answers: list[int] | Positions
    owners: list[int] | Positions

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def know(self, *names: str) -> None:
        """Counts the members of the objects that are not among `names`."""

    @abstractmethod
    def where(self, keep: Callable[[dict[str, Any]], bool]) -> Objects:
        """Those of the objects that `keep` holds of. It looks at nothing but their `members`."""

    @abstractmethod
    def child(self, name: str, *, required: bool = True) -> Objects:
        """The object that each one has under `name`; where it is not required, of those that have one."""

    @abstractmethod
    def children(self, name: str, *, required: bool = True, length: int | None = None) -> Objects:
        """All objects of the lists that each one has under `name`; null is an empty list where no length is given."""

    @abstractmethod
    def strings(self, name: str, *, required: bool = True) -> Column:
        """A column of texts; None for absent and null ones where that is allowed."""

    @abstractmethod
    def floats(self, name: str) -> Column:
        """A column of numbers, as floats that equal what was received."""

    @abstractmethod
    def ints(self, name: str, minimum: int = INT32_MIN) -> Column:
        """A column of 32-bit integers; a float without a fraction is one."""

    @abstractmethod
    def flags(self, name: str) -> Column:
        """A column of true and false."""

    def boxes(self) -> dict[str, Column]:
        """The columns x, y, w, h of the bounding boxes."""
        boxes = self.child("boundingBox")
        boxes.know("x", "y", "w", "h")
        return {side: boxes.ints(side) for side in "xywh"}

    @abstractmethod
    def flat_polygons(self) -> Column:
        """The polygons of the preview: `boundingBox`, a list of eight numbers."""

    def point_polygons(self) -> Column:
        """The polygons of the GA versions: `boundingPolygon`, four points."""
        points = self.children("boundingPolygon", length=4)
        points.know("x", "y")
        return self._polygons(points.ints("x"), points.ints("y"))

    @abstractmethod
    def _polygons(self, xs: Column, ys: Column) -> Column:
        """The polygons of these points, four each."""

    @abstractmethod
    def held(self, names: Sequence[str]) -> Column:
        """For each object, a list of those of `names` that it holds."""

    @abstractmethod
    def demand_list(self, name: str) -> None:
        """Refuses an object whose `name` is null, too."""

    @abstractmethod
    def ordinals(self) -> Column:
        """Each object's position among those of the same answer, from 0."""

    @abstractmethod
    def spread(self, column: Column) -> Column:
        """A column of the parent: for each object the cell of the one that holds it."""

    @abstractmethod
    def firsts(self, column: Column) -> Column:
        """A column for the parent: for each of its objects the cell of the first one that it holds, or None."""

    @abstractmethod
    def joined(self, texts: Column, separator: str) -> Column:
        """A column for the parent: for each of its objects the texts of those that it holds."""

    @abstractmethod
    def grouped(self, **columns: Column) -> Column:
        """A nested column for the parent: for each of its objects the list of the rows that it holds."""


class Rows:
    """Rows of a table: one for each of `source`, by column. Columns that are left out are null."""

    def __init__(self, source: Objects, **columns: Column) -> None:
        self.answers = source.answers
        self.columns = {"ordinal": source.ordinals(), **columns}


Flatten = Callable[[Objects], Iterator[Rows]]


def members(item: dict[str, Any]) -> set[str]:
    """The names of what an object holds: a member that is null is absent."""
    return {name for name, value in item.items() if value is not None}


def printable(text: str, length: int) -> str:
    """The first characters of a text, with half surrogate pairs replaced."""
    return text[:length].encode("utf-8", "replace").decode()
