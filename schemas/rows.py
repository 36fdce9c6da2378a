"""The rows of one table while answers are flattened: plain lists by column, which can be rolled back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

POLYGON_NUMBERS = 8


class Rows:
    """Column lists of a section table, and for each row the answer that it came from.

    Columns `polygon` are given flat, eight numbers a row: building an Arrow list of known length from one flat list
    costs a fraction of building it from lists.
    """

    def __init__(self, columns: Iterable[pa.Field]) -> None:
        self._fields = list(columns)
        self.columns: dict[str, list[Any]] = {field.name: [] for field in self._fields}
        self.answers: list[int] = []
        self.answer = 0

    def add(self, count: int, **columns: list[Any]) -> None:
        """Adds `count` rows of the present answer; a column that is left out is null."""
        self.answers.extend([self.answer] * count)
        for name, values in columns.items():
            self.columns[name].extend(values)
        if len(columns) < len(self._fields):
            for name in self.columns.keys() - columns.keys():
                self.columns[name].extend([None] * count)

    def mark(self) -> tuple[int, ...]:
        """Where the rows end now."""
        return (len(self.answers), *map(len, self.columns.values()))

    def roll_back(self, mark: tuple[int, ...]) -> None:
        """Drops the rows after a mark."""
        del self.answers[mark[0] :]
        for values, length in zip(self.columns.values(), mark[1:], strict=True):
            del values[length:]

    def arrays(self) -> dict[str, pa.Array]:
        """The Arrow arrays of the columns."""
        return {field.name: self._array(field) for field in self._fields}

    def _array(self, field: pa.Field) -> pa.Array:
        values = self.columns[field.name]
        if field.name != "polygon":
            return pa.array(values, field.type)
        offsets = pa.array(range(0, len(values) + 1, POLYGON_NUMBERS), pa.int32())
        return pa.ListArray.from_arrays(offsets, pa.array(values, field.type.value_type), type=field.type)
