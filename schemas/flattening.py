"""From answers to rows: all section tables of a batch of answers, or the place where an answer is not the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import images
from .exact import ExactObjects, shown
from .fast import ArrowObjects, Declined, expected_fields, parse
from .reading import Column, Malformed, Objects, Rows, UnknownFields
from .registry import TABLES
from .scaling import scaled_back
from .table import TableSpec

_SECTION_TABLES = [table for table in TABLES.values() if table.flatten is not None]
SECTIONS = tuple(dict.fromkeys(table.section for table in _SECTION_TABLES))
_TOP_LEVEL = (*SECTIONS, "metadata", "modelVersion", "kind")

_RESPONSE_COLUMNS = frozenset(TABLES["responses"].schema.names)

# Answers that are read together: enough to make columns worth while, few enough for the processor's caches.
CHUNK_ANSWERS = 512
CHUNK_CHARACTERS = 4 * 1024 * 1024


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


class Rejection(NamedTuple):
    """An answer that is not the contract: its row in `responses`, the JSON path, and what is wrong there."""

    row: int
    path: str
    message: str


class Flattened(NamedTuple):
    """The tables of a batch: of all answers but those that were rejected."""

    tables: dict[str, pa.Table]
    rejected: list[Rejection]
    unknown_fields: dict[str, int]


class Chunk(NamedTuple):
    """The columns that answers give to each table, with a column `answer`: their row in `responses`."""

    tables: dict[str, pa.Table]
    unknown: UnknownFields
    rejected: list[Rejection]


def flatten(responses: pa.Table) -> Flattened:
    """Flattens a batch of answers into every section table, `images` included.

    An answer with a wrong type or a missing field anywhere in a section that we know is rejected whole: no row of it is
    in any table. Sections and fields that we do not know are counted, and stay in the answer's `body`. Boxes, polygons
    and sizes are the image's own, also where it was sent with other sides.

    Args:
      responses: a table of the schema of `responses`.
    """
    with ThreadPoolExecutor(pa.cpu_count(), "flatten") as threads:  # Arrow's parser lets go of the interpreter
        chunks = list(threads.map(_flatten_chunk, _chunks(responses["body"])))
    rejected = [rejection for chunk in chunks for rejection in chunk.rejected]
    unknown = UnknownFields()
    for chunk in chunks:
        for path, times in chunk.unknown.items():
            unknown.count(path, times)
    columns = {name: pa.concat_tables(chunk.tables[name] for chunk in chunks) for name in chunks[0].tables}
    columns = scaled_back({name: table.combine_chunks() for name, table in columns.items()}, responses)
    tables = {name: _complete(name, table, responses) for name, table in columns.items()}
    return Flattened(tables, rejected, dict(unknown))


def _chunks(bodies: pa.ChunkedArray) -> Iterator[tuple[int, pa.StringArray]]:
    """Slices of the column, each with the row that it starts at; an empty one where there is none."""
    column = pa.concat_arrays(bodies.chunks) if bodies.num_chunks else pa.array([], pa.string())
    start = characters = 0
    for index, length in enumerate(pc.binary_length(column).to_pylist()):
        characters += length
        if index + 1 - start == CHUNK_ANSWERS or characters >= CHUNK_CHARACTERS:
            yield start, column[start : index + 1]
            start, characters = index + 1, 0
    if start < len(column) or not len(column):
        yield start, column[start:]


def _flatten_chunk(chunk: tuple[int, pa.StringArray]) -> Chunk:
    start, bodies = chunk
    try:
        return flatten_fast(bodies, start)
    except Declined:
        return flatten_exactly(bodies, start)


def flatten_fast(bodies: pa.StringArray, start: int = 0) -> Chunk:
    """Reads answers by Arrow; `start` is the row of the first.

    Raises:
      Declined: one of them is not plainly the contract.
    """
    answers = parse(bodies, EXPECTED)
    rows = np.arange(start, start + len(bodies))
    return Chunk(_read(ArrowObjects(answers, rows, rows, len(bodies))), UnknownFields(), [])


def flatten_exactly(bodies: pa.StringArray, start: int = 0) -> Chunk:
    """Reads all answers at once; where one is at fault, each alone first, to leave out all that are."""
    good: dict[int, dict[str, Any]] = {}
    rejected: list[Rejection] = []
    for index, body in enumerate(bodies.to_pylist(), start):
        try:
            good[index] = _parse(index, body)
        except Malformed as error:
            rejected.append(Rejection(index, error.path, error.message))
    try:
        return _read_exactly(good, rejected)
    except Malformed:
        faults = {index: fault for index, answer in good.items() if (fault := _fault(index, answer))}
    good = {index: answer for index, answer in good.items() if index not in faults}
    return _read_exactly(good, sorted([*rejected, *faults.values()]))


def _fault(index: int, answer: dict[str, Any]) -> Rejection | None:
    try:
        _read_exactly({index: answer}, [])
    except Malformed as error:
        return Rejection(index, error.path, error.message)
    return None


def _parse(index: int, body: str) -> dict[str, Any]:
    try:
        answer = _JSON.decode(body.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise Malformed(index, "$", f"cannot be read as JSON: {str(error)[:200]}") from None
    if type(answer) is not dict:
        raise Malformed(index, "$", f"expected an object, got {shown(answer)}")
    return answer


def _read_exactly(answers: dict[int, dict[str, Any]], rejected: list[Rejection]) -> Chunk:
    unknown = UnknownFields()
    return Chunk(_read(ExactObjects(list(answers.values()), list(answers), unknown)), unknown, rejected)


def _read(root: Objects) -> dict[str, pa.Table]:
    return {table.name: _columns(table, rows) for table, rows in _rows(root)}


def _rows(root: Objects) -> Iterator[tuple[TableSpec, list[Rows]]]:
    """What every table takes from the answers, `images` first."""
    root.know(*_TOP_LEVEL)
    sections = {name: root.child(name, required=False) for name in SECTIONS}
    yield TABLES["images"], [images.flatten(root, SECTIONS)]
    for table in _SECTION_TABLES:
        assert table.flatten is not None
        yield table, list(table.flatten(sections[table.section]))


EXPECTED = expected_fields(lambda root: list(_rows(root)))


def _columns(table: TableSpec, parts: Sequence[Rows]) -> pa.Table:
    parts = [part for part in parts if len(part.answers)]
    arrays = {"answer": _array([part.answers for part in parts], pa.int64())}
    for field in table.columns:
        if field.name not in _RESPONSE_COLUMNS:
            cells = [part.columns.get(field.name, [None] * len(part.answers)) for part in parts]
            arrays[field.name] = _array(cells, field.type)
    columns = pa.table(arrays)
    # Answers of both shapes in one batch: the rows of an answer stay where the answer is.
    return columns.sort_by([("answer", "ascending"), ("ordinal", "ascending")]) if len(parts) > 1 else columns


def _array(parts: Sequence[Column], kind: pa.DataType) -> pa.Array:
    arrays = [part.cast(kind) if isinstance(part, pa.Array) else pa.array(part, kind) for part in parts]
    return pa.concat_arrays(arrays) if arrays else pa.array([], kind)


def _complete(name: str, columns: pa.Table, responses: pa.Table) -> pa.Table:
    schema = TABLES[name].schema
    arrays = [
        columns[field.name] if field.name in columns.column_names else responses[field.name].take(columns["answer"])
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
