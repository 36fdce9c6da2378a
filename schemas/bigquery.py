"""BigQuery's side of the tables: the statements that create them, and the script that loads a run."""

from __future__ import annotations

import pyarrow as pa

from .registry import TABLES
from .table import TableSpec

_TYPES = {
    pa.string(): "STRING",
    pa.int32(): "INT64",
    pa.int64(): "INT64",
    pa.float64(): "FLOAT64",
    pa.bool_(): "BOOL",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP",
}


def create_statements() -> str:
    """The text of `deploy/bigquery/tables.sql`: one CREATE TABLE per table, to run in a dataset."""
    head = (
        "-- Written by `python -m image_analysis_beam.schemas`; do not edit.\n"
        "-- bq query --use_legacy_sql=false --dataset_id=PROJECT:DATASET < tables.sql\n"
    )
    return "\n".join([head, *map(create_statement, TABLES.values())])


def create_statement(table: TableSpec) -> str:
    """The CREATE TABLE of one table. BigQuery checks no primary key; it is given for the optimizer."""
    rows = [f"  {_column(field)}" for field in table.columns]
    if table.primary_key:
        rows.append(f"  PRIMARY KEY ({', '.join(map(_quoted, table.primary_key))}) NOT ENFORCED")
    return (
        f"CREATE TABLE IF NOT EXISTS {_quoted(table.name)} (\n"
        + ",\n".join(rows)
        + f"\n)\nCLUSTER BY `image_id`\nOPTIONS (description = {_literal(table.description)});\n"
    )


def load_script() -> str:
    """The text of `deploy/bigquery/load.sh`, which loads one committed run."""
    return _LOAD.format(tables=" ".join(TABLES))


def bigquery_type(kind: pa.DataType) -> str:
    """The BigQuery type of an Arrow type; KeyError for one that no table may have."""
    if pa.types.is_list(kind):
        return f"ARRAY<{bigquery_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return "STRUCT<" + ", ".join(f"{_quoted(field.name)} {bigquery_type(field.type)}" for field in kind) + ">"
    return _TYPES[kind]


def _column(field: pa.Field) -> str:
    # An array is never NULL in BigQuery: one that is null in the file is loaded as an empty one.
    required = "" if field.nullable or pa.types.is_list(field.type) else " NOT NULL"
    description = field.metadata[b"description"].decode()
    kind = bigquery_type(field.type)
    return f"{_quoted(field.name)} {kind}{required} OPTIONS (description = {_literal(description)})"


def _quoted(name: str) -> str:
    return f"`{name}`"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_LOAD = r"""#!/usr/bin/env bash
# Written by `python -m image_analysis_beam.schemas`; do not edit.
# Loads one committed run into the tables of tables.sql:  load.sh gs://bucket/out RUN_ID PROJECT:DATASET
# Loading a run again replaces its rows.
set -euo pipefail
if [[ $# -ne 3 ]]; then
  echo "usage: load.sh OUTPUT RUN_ID PROJECT:DATASET" >&2
  exit 2
fi
output=${{1%/}} run=$2 dataset=$3

if ! gcloud storage ls "$output/runs/$run.json" >/dev/null; then
  echo "run $run is not committed: there is no $output/runs/$run.json" >&2
  exit 1
fi

load() {{
  bq query --use_legacy_sql=false --dataset_id="$dataset" --parameter="run::$run" \
    "DELETE FROM \`$1\` WHERE run_id = @run"
  # Without list inference, arrays of existing columns are loaded empty. Columns of a later version are added.
  bq load --source_format=PARQUET --parquet_enable_list_inference=true --schema_update_option=ALLOW_FIELD_ADDITION \
    "$dataset.$1" "$output/$1/run=$run/*.parquet"
}}

# A run writes no file of a table that it has no rows of, once the folder has one.
for table in {tables}; do
  if gcloud storage ls "$output/$table/run=$run/" >/dev/null 2>&1; then load "$table"; fi
done
"""
