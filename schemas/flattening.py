"""From answers to rows: all section tables of a batch of answers, or the place where an answer is not the contract."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from .images import FROM_RESPONSE, flatten_image
from .reading import Malformed, UnknownFields, shown
from .registry import TABLES
from .rows import Rows
from .table import KEY

_SECTION_TABLES = [table for table in TABLES.values() if table.flatten is not None]
SECTIONS = frozenset(table.section for table in _SECTION_TABLES)
_KNOWN = SECTIONS | {"metadata", "modelVersion", "kind"}
_KEY_NAMES = {field.name for field in KEY}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


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


def flatten(responses: pa.Table) -> Flattened:
    """Flattens a batch of answers into every section table, `images` included.

    An answer with a wrong type or a missing field anywhere in a section that we know is rejected whole: no row of it is
    in any table. Sections and fields that we do not know are counted, and stay in the answer's `body`.

    Args:
      responses: a table of the schema of `responses`.
    """
    own = {name: [f for f in TABLES[name].columns if f.name not in _KEY_NAMES] for name in _flattened_tables()}
    own["images"] = [field for field in own["images"] if field.name not in FROM_RESPONSE]
    rows = {name: Rows(columns) for name, columns in own.items()}
    unknown, rejected = UnknownFields(), []
    for index, body in enumerate(responses["body"].to_pylist()):
        marks = {name: table.mark() for name, table in rows.items()}
        for table in rows.values():
            table.answer = index
        try:
            _flatten_answer(_parse(body), rows, unknown)
        except Malformed as error:
            rejected.append(Rejection(index, error.path, error.message))
            for name, table in rows.items():
                table.roll_back(marks[name])
    tables = {name: _build(name, table, responses) for name, table in rows.items()}
    return Flattened(tables, _without(responses, rejected), rejected, dict(unknown.counts))


def _flattened_tables() -> list[str]:
    return [name for name, table in TABLES.items() if table.kind == "section"]


def _parse(body: str) -> dict[str, Any]:
    try:
        answer = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("$", f"not JSON: {str(error)[:200]}") from None
    if type(answer) is not dict:
        raise Malformed("$", f"expected an object, got {shown(answer)}")
    if _SURROGATE.search(body):
        _refuse_lone_surrogates(answer, "$")
    return answer


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refuse_lone_surrogates(answer: Any, path: str) -> None:
    """Half a surrogate pair cannot be stored as UTF-8. Walks without recursion: answers may be nested deeply."""
    pending = [(answer, path)]
    while pending:
        value, path = pending.pop()
        if type(value) is dict:
            pending.extend((item, f"{path}.{name}") for name, item in value.items())
        elif type(value) is list:
            pending.extend((item, f"{path}[{index}]") for index, item in enumerate(value))
        elif type(value) is str and any("\ud800" <= character <= "\udfff" for character in value):
            raise Malformed(path.encode("utf-8", "replace").decode(), "half a surrogate pair is no text")


def _flatten_answer(answer: dict[str, Any], rows: dict[str, Rows], unknown: UnknownFields) -> None:
    if not answer.keys() <= _KNOWN:
        unknown.check(answer, _KNOWN, "")
    held = [name for name in answer if name in SECTIONS and answer[name] is not None]
    flatten_image(answer, held, rows["images"], unknown)
    for table in _SECTION_TABLES:
        value = answer.get(table.section)
        if value is not None and table.flatten is not None:
            table.flatten(value, rows[table.name], unknown)


def _build(name: str, rows: Rows, responses: pa.Table) -> pa.Table:
    spec = TABLES[name]
    answers = pa.array(rows.answers, pa.int64())
    arrays = rows.arrays()
    for field in spec.columns:
        if field.name not in arrays:
            arrays[field.name] = responses[field.name].take(answers)
    return pa.Table.from_arrays([arrays[field.name] for field in spec.columns], schema=spec.schema)


def _without(responses: pa.Table, rejected: list[Rejection]) -> pa.Table:
    if not rejected:
        return responses
    rows = pa.array(range(responses.num_rows))
    keep = pc.invert(pc.is_in(rows, pa.array([rejection.row for rejection in rejected])))
    return responses.filter(keep)
