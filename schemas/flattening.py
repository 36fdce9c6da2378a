"""From answers to rows: all section tables of a batch of answers, or the place where an answer is not the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa

from . import images
from .reading import Malformed, Objects, Rows, UnknownFields, shown
from .registry import TABLES
from .table import TableSpec

_SECTION_TABLES = [table for table in TABLES.values() if table.flatten is not None]
SECTIONS = frozenset(table.section for table in _SECTION_TABLES)
_TOP_LEVEL = (*SECTIONS, "metadata", "modelVersion", "kind")

_RESPONSE_COLUMNS = frozenset(TABLES["responses"].schema.names)

# Answers that are read together: enough to make columns worth while, few enough for the processor's caches.
CHUNK_ANSWERS = 32
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
    """The tables of a batch: of accepted answers only. `accepted` are their rows of `responses`."""

    tables: dict[str, pa.Table]
    accepted: pa.Table
    rejected: list[Rejection]
    unknown_fields: dict[str, int]


class _Chunk(NamedTuple):
    """The columns that answers give to each table, with a column `answer`: their row in `responses`."""

    tables: dict[str, pa.Table]
    unknown: UnknownFields


def flatten(responses: pa.Table) -> Flattened:
    """Flattens a batch of answers into every section table, `images` included.

    An answer with a wrong type or a missing field anywhere in a section that we know is rejected whole: no row of it is
    in any table. Sections and fields that we do not know are counted, and stay in the answer's `body`.

    Args:
      responses: a table of the schema of `responses`.
    """
    rejected: list[Rejection] = []
    chunks = [_flatten_chunk(bodies, rejected) for bodies in _chunks(responses["body"].to_pylist())]
    unknown = UnknownFields()
    for chunk in chunks:
        for path, times in chunk.unknown.items():
            unknown.count(path, times)
    tables = {
        name: _complete(name, pa.concat_tables(chunk.tables[name] for chunk in chunks).combine_chunks(), responses)
        for name in chunks[0].tables
    }
    return Flattened(tables, _without(responses, rejected), rejected, dict(unknown))


def _chunks(bodies: list[str]) -> Iterator[dict[int, str]]:
    chunk: dict[int, str] = {}
    characters = 0
    for index, body in enumerate(bodies):
        chunk[index] = body
        characters += len(body)
        if len(chunk) == CHUNK_ANSWERS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = {}, 0
    yield chunk


def _flatten_chunk(bodies: dict[int, str], rejected: list[Rejection]) -> _Chunk:
    """Reads all answers at once; where one is at fault, each alone first, to leave out all that are."""
    good: dict[int, dict[str, Any]] = {}
    for index, body in bodies.items():
        try:
            good[index] = _parse(index, body)
        except Malformed as error:
            rejected.append(Rejection(index, error.path, error.message))
    try:
        return _read(good)
    except Malformed:
        faults = {index: fault for index, answer in good.items() if (fault := _fault(index, answer))}
    rejected.extend(faults.values())
    rejected.sort()
    return _read({index: answer for index, answer in good.items() if index not in faults})


def _fault(index: int, answer: dict[str, Any]) -> Rejection | None:
    try:
        _read({index: answer})
    except Malformed as error:
        return Rejection(index, error.path, error.message)
    return None


def _parse(index: int, body: str) -> dict[str, Any]:
    try:
        answer = _JSON.decode(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(index, "$", f"cannot be read as JSON: {str(error)[:200]}") from None
    if type(answer) is not dict:
        raise Malformed(index, "$", f"expected an object, got {shown(answer)}")
    return answer


def _read(answers: dict[int, dict[str, Any]]) -> _Chunk:
    unknown = UnknownFields()
    root = Objects(list(answers.values()), list(answers), unknown)
    root.know(*_TOP_LEVEL)
    sections = {name: root.child(name, required=False) for name in SECTIONS}
    tables = {"images": _columns(TABLES["images"], [images.flatten(root, SECTIONS)])}
    for table in _SECTION_TABLES:
        assert table.flatten is not None
        tables[table.name] = _columns(table, table.flatten(sections[table.section]))
    return _Chunk(tables, unknown)


def _columns(table: TableSpec, parts: Iterable[Rows]) -> pa.Table:
    parts = [part for part in parts if part.answers]
    arrays = {"answer": pa.array(list(chain.from_iterable(part.answers for part in parts)), pa.int64())}
    for field in table.columns:
        if field.name not in _RESPONSE_COLUMNS:
            cells = [part.columns.get(field.name) or [None] * len(part.answers) for part in parts]
            arrays[field.name] = pa.array(list(chain.from_iterable(cells)), field.type)
    columns = pa.table(arrays)
    # Answers of both shapes in one batch: the rows of an answer stay where the answer is.
    return columns.sort_by([("answer", "ascending"), ("ordinal", "ascending")]) if len(parts) > 1 else columns


def _complete(name: str, columns: pa.Table, responses: pa.Table) -> pa.Table:
    schema = TABLES[name].schema
    arrays = [
        columns[field.name] if field.name in columns.column_names else responses[field.name].take(columns["answer"])
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _without(responses: pa.Table, rejected: list[Rejection]) -> pa.Table:
    if not rejected:
        return responses
    bad = {rejection.row for rejection in rejected}
    return responses.filter(pa.array([row not in bad for row in range(responses.num_rows)]))
