"""The handbook of the tables, `docs/tables.md`, written from the registry so that it cannot fall behind."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from .registry import TABLES
from .table import SCHEMA_VERSION, TableSpec

_INTRODUCTION = f"""\
# Tables

Written by `python -m image_analysis_beam.schemas`; do not edit. Schema version {SCHEMA_VERSION}. Queries to start from:
[queries.md](queries.md).

Every table is a folder `<table>/run=<run id>/` of Parquet files; a table without rows is a file without rows. Section
tables hold what answers hold, and are a pure function of `responses`. Preview and GA answers land in the same columns,
told apart by their shape; where they differ, the JSON path names both.

Later versions add columns that may be null. Files of every version are read: a column that a file lacks is null, one
that is not known is ignored. In rows that are written again (by `reflatten`, or taken over from a run that was killed),
what may not be null and is not known is an empty text or list, 0, false or 1970. Give DuckDB `union_by_name = true` to
read partitions of several versions together.

- A section that the answer holds is listed in `images.sections`, even when it has no row: asked and nothing found.
- Numbers are stored exactly as received. Boxes are `x`, `y`, `w`, `h` in pixels from the image's top left corner.
- Null says the same as absent, a null list the same as an empty one, 730.0 the same as 730.
- An answer that is not the contract anywhere in a section that we know gives no row in any section table: it becomes a
  dead letter of class `malformed_response`, whose message begins with the JSON path. It stays whole in `responses`,
  under the same key, so that `reflatten` with a later version of this package can read it.
- Fields that have no column are in `responses.body`, and the run's manifest counts them.
- Times are UTC. Types are plain ones: DuckDB, pandas, polars, Spark and BigQuery read the same values.
"""


def tables_page() -> str:
    """The text of `docs/tables.md`."""
    keys = ["## Keys", "", "```text", *_keys(), "```", ""]
    return "\n".join([_INTRODUCTION, *keys, "## Columns", "", *map(_table, TABLES.values())])


def type_name(kind: pa.DataType) -> str:
    """An Arrow type in words."""
    if pa.types.is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{field.name} {type_name(field.type)}" for field in kind) + "}"
    return {"timestamp[us, tz=UTC]": "timestamp", "double": "float64"}.get(str(kind), str(kind))


def _keys() -> Iterator[str]:
    sections = [table for table in TABLES.values() if table.kind == "section" and table.name != "images"]
    yield f"responses ({', '.join(TABLES['responses'].primary_key)})"
    yield "└── images (the same key: one row per answer that is the contract)"
    for table in sections:
        branch = "└──" if table is sections[-1] else "├──"
        yield f"    {branch} {table.name:<15} (…, ordinal){_references(table)}"
    for name in ("dead_letters", "deferred"):
        yield f"{name} ({', '.join(TABLES[name].primary_key)}): no answer in that run"
    yield "inputs: image_id → images.image_id; line_id → dead_letters.image_id"


def _references(table: TableSpec) -> str:
    targets = [(field.name, field.metadata.get(b"references", b"").decode()) for field in table.columns]
    return "".join(f"  {name} → {target}" for name, target in targets if target)


def _table(table: TableSpec) -> str:
    lines = [f"### {table.name}\n", f"{table.description[0].upper()}{table.description[1:]}.\n"]
    key = ", ".join(f"`{name}`" for name in table.primary_key)
    lines.append(f"Primary key: {key}.\n" if key else "No primary key: a list may be given any number of times.\n")
    lines += ["| column | type | meaning | unit | JSON path |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_column, table.columns), ""])


def _column(field: pa.Field) -> str:
    notes = {key.decode(): text.decode() for key, text in field.metadata.items()}
    path = f"`{notes['json_path']}`" if "json_path" in notes else ""
    kind = f"{type_name(field.type)}{', may be null' if field.nullable else ''}"
    since = "" if notes["since"] == "1" else f" (since schema version {notes['since']})"
    meaning = notes["description"].replace("<", "&lt;")
    return f"| `{field.name}` | {kind} | {meaning}{since} | {notes.get('unit', '')} | {path} |"
