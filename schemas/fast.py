"""Fast reading of JSON: whole columns by Arrow's parser, for batches whose answers are all plainly the contract.

Arrow is strict where its schema allows no other field: it refuses a text for a number, 1.5 for an integer, half a
surrogate pair, a key twice. What it would let pass is refused here: two documents for two answers, NaN, the minus of
-0, null where there has to be something. What is refused is not judged: `exact.py` reads it again, and knows why. So a
batch with a field that the contract does not name, or of the preview's shape, is read there too. Where both read, they
read the same; `tests/schemas/fuzz.py` looks for what they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from .exact import ExactObjects
from .reading import EXACT_INTEGERS, INT32_MAX, INT32_MIN, Objects, Positions, UnknownFields

_MINUS_ZERO = np.float64(-0.0).view(np.int64)


class Declined(Exception):
    """The batch is not plainly the contract."""


def parse(bodies: pa.StringArray, fields: pa.Schema) -> pa.StructArray:
    """The answers as structs of these fields.

    Raises:
      Declined: one of them is not an object, has another field, a null, or a value of another kind.
    """
    texts = pc.ascii_trim(bodies, " \t\r\n")  # what JSON takes as white space, and no more
    lines = pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts), "\n")[0].as_buffer().to_pybytes()
    # Between a } and a { that a line feed parts, one document ends and the next begins, or it is not JSON.
    braced = pc.and_(pc.starts_with(texts, "{"), pc.ends_with(texts, "}"))
    if not pc.all(braced).as_py():
        raise Declined
    try:
        table = pj.read_json(
            pa.BufferReader(lines),
            pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            pj.ParseOptions(explicit_schema=fields, unexpected_field_behavior="error"),
        )
    except pa.ArrowInvalid:
        raise Declined from None
    if table.num_rows != len(bodies):
        raise Declined
    return table.to_struct_array().combine_chunks()


class ArrowObjects(Objects):
    """JSON objects as a struct array. Columns are Arrow arrays.

    Every reading raises `Declined` where `ExactObjects` would raise `Malformed`, and sometimes where it would not.
    """

    answers: Positions
    owners: Positions

    def __init__(self, cells: pa.StructArray, answers: Positions, owners: Positions, parents: int) -> None:
        if cells.null_count:
            raise Declined
        self._cells, self.answers, self.owners, self._parents = cells, answers, owners, parents

    def __len__(self) -> int:
        return len(self._cells)

    def know(self, *names: str) -> None:
        """Nothing: the parser has refused all other fields."""

    def where(self, keep: Callable[[dict[str, Any]], bool]) -> Objects:
        """All or none: `expected_fields` has chosen the form that an empty object counts as."""
        return self if keep({}) else ExactObjects([], [], UnknownFields())

    def child(self, name: str, *, required: bool = True) -> Objects:
        cells = self._cells.field(name)
        owners = np.flatnonzero(cells.is_valid().to_numpy(zero_copy_only=False))
        if required and len(owners) < len(cells):
            raise Declined
        return ArrowObjects(cells.drop_null(), self.answers[owners], owners, len(self))

    def children(self, name: str, *, required: bool = True, length: int | None = None) -> Objects:
        lists = self._cells.field(name)
        if required and lists.null_count:
            raise Declined
        counts = lists.value_lengths().fill_null(0).to_numpy()
        if length is not None and (counts != length).any():
            raise Declined
        owners = np.repeat(np.arange(len(self)), counts)
        return ArrowObjects(lists.flatten(), self.answers[owners], owners, len(self))

    def strings(self, name: str, *, required: bool = True) -> pa.Array:
        return self._column(name) if required else self._cells.field(name)

    def floats(self, name: str) -> pa.Array:
        column = self._column(name)
        values = column.to_numpy()
        # From there on an integer may have been rounded to this; and -0 is the integer 0, but -0.0 is not.
        if not (np.abs(values) < EXACT_INTEGERS).all() or (values.view(np.int64) == _MINUS_ZERO).any():
            raise Declined
        return column

    def ints(self, name: str, minimum: int = INT32_MIN) -> pa.Array:
        column = self._column(name)
        values = column.to_numpy()
        if len(values) and (values.min() < minimum or values.max() > INT32_MAX):
            raise Declined
        return column.cast(pa.int32())

    def flags(self, name: str) -> pa.Array:
        return self._column(name)

    def flat_polygons(self) -> pa.Array:
        raise Declined

    def _polygons(self, xs: pa.Array, ys: pa.Array) -> pa.Array:
        numbers = np.empty(2 * len(xs))
        numbers[0::2], numbers[1::2] = xs, ys
        return pa.ListArray.from_arrays(np.arange(0, len(numbers) + 1, 8, dtype=np.int32), pa.array(numbers))

    def held(self, names: Sequence[str]) -> pa.Array:
        known = [name for name in names if self._cells.type.get_field_index(name) >= 0]
        holds = [self._cells.field(name).is_valid().to_numpy(zero_copy_only=False) for name in known]
        rows, columns = np.nonzero(np.array(holds).T)
        return self._lists(pa.array(known).take(pa.array(columns)), rows, len(self))

    def demand_list(self, name: str) -> None:
        raise Declined

    def ordinals(self) -> pa.Array:
        starts = np.searchsorted(self.answers, self.answers)
        return pa.array((np.arange(len(self)) - starts).astype(np.int32))

    def spread(self, column: pa.Array) -> pa.Array:
        return column.take(pa.array(self.owners))

    def firsts(self, column: pa.Array) -> pa.Array:
        starts = np.searchsorted(self.owners, np.arange(self._parents))
        held = np.bincount(self.owners, minlength=self._parents) > 0
        return column.take(pa.array(starts, mask=~held))

    def joined(self, texts: pa.Array, separator: str) -> pa.Array:
        return pc.binary_join(self._lists(texts, self.owners, self._parents), separator)

    def grouped(self, **columns: pa.Array) -> pa.Array:
        rows = pa.StructArray.from_arrays(list(columns.values()), list(columns))
        return self._lists(rows, self.owners, self._parents)

    def _column(self, name: str) -> pa.Array:
        column = self._cells.field(name)
        if column.null_count:
            raise Declined
        return column

    @staticmethod
    def _lists(cells: pa.Array, owners: Positions, parents: int) -> pa.Array:
        offsets = np.searchsorted(owners, np.arange(parents + 1)).astype(np.int32)
        return pa.ListArray.from_arrays(offsets, cells)


def expected_fields(read: Callable[[Objects], object]) -> pa.Schema:
    """The fields that `read` asks answers for, found by letting it read no answer at all."""
    root = _Asked()
    read(root)
    return pa.schema(list(root.type()))


class _Asked(ExactObjects):
    """No objects, which remember what fields they were asked for."""

    def __init__(self) -> None:
        nothing = ExactObjects([], [], UnknownFields())
        super().__init__([], [], UnknownFields(), parent=nothing)
        self._asked: dict[str, Callable[[], pa.DataType]] = {}
        self._held_here: dict[str, _Asked] = {}

    def type(self) -> pa.StructType:
        return pa.struct([(name, kind()) for name, kind in self._asked.items()])

    def where(self, keep: Callable[[dict[str, Any]], bool]) -> ExactObjects:
        return self if keep({}) else ExactObjects([], [], UnknownFields())

    def child(self, name: str, *, required: bool = True) -> _Asked:
        held = self._held_here.setdefault(name, _Asked())
        self._asked[name] = held.type
        return held

    def children(self, name: str, *, required: bool = True, length: int | None = None) -> _Asked:
        held = self._held_here.setdefault(name, _Asked())
        self._asked[name] = lambda: pa.list_(held.type())
        return held

    def strings(self, name: str, *, required: bool = True) -> list[Any]:
        return self._ask(name, pa.string())

    def floats(self, name: str) -> list[float]:
        return self._ask(name, pa.float64())

    def ints(self, name: str, minimum: int = INT32_MIN) -> list[int]:
        return self._ask(name, pa.int64())

    def flags(self, name: str) -> list[bool]:
        return self._ask(name, pa.bool_())

    def _ask(self, name: str, kind: pa.DataType) -> list[Any]:
        self._asked[name] = lambda: kind
        return []
