"""The Parquet files of every table, with rows and without, say the same to every reader and keep BigQuery's rules."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.schemas import PARQUET_WRITE_OPTIONS, TABLES, flatten
from image_analysis_beam.schemas.bigquery import bigquery_type
from image_analysis_beam.schemas.outcomes import Analyzed, DeadLetter, Deferred, InputReference

IMAGES = 40
RUN_PYSPARK = "needs Java and pyspark: python -m pip install pyspark && pytest tests/schemas/test_readers.py"


@pytest.fixture(scope="module")
def tables(contract_bodies: dict[str, str], analyzed: Callable[..., Analyzed]) -> dict[str, pa.Table]:
    """Every table with some rows."""
    bodies = list(contract_bodies.values())
    answers = [analyzed(bodies[image % len(bodies)], image) for image in range(IMAGES)]
    responses = TABLES["responses"].to_table(answers)
    flattened = flatten(responses)
    first = answers[0]
    at = first.analyzed_at
    dead = DeadLetter(
        *first[:2], "rejected_image", 400, "InvalidRequest", None, "too small", False, True, 1, at, None, None, None,
        1, first.fingerprint, 0, "{}", first.run_id,
    )  # fmt: skip
    records = {
        "dead_letters": [dead, dead._replace(http_status=None, body=None, first_attempt_at=None)],
        "deferred": [Deferred(*first[:2], "outage", "503", first.fingerprint, first.run_id)],
        "inputs": [InputReference("a.txt", 1, first.image_uri, first.image_id, *[None] * 5, first.run_id)],
    }
    return {
        **flattened.tables,
        "responses": responses,
        **{name: TABLES[name].to_table(rows) for name, rows in records.items()},
    }


@pytest.fixture(scope="module", params=["rows", "empty"])
def output(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tables: dict[str, pa.Table]
) -> Path:
    """An output folder: with rows in two files per table, or with none."""
    folder = tmp_path_factory.mktemp("output")
    for name, table in tables.items():
        partition = folder / name / "run=20260102T030405Z-ab12"
        partition.mkdir(parents=True)
        half = table.num_rows // 2
        parts = [table.slice(0, half), table.slice(half)] if request.param == "rows" else [table.slice(0, 0)]
        for number, part in enumerate(parts):
            pq.write_table(
                part, partition / f"{name}-{number:05d}-of-{len(parts):05d}.parquet", **PARQUET_WRITE_OPTIONS
            )
    return folder


def plain(value: Any) -> Any:
    """A value as all readers give it: nested rows as dicts in tuples, times as UTC microseconds."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return value.timestamp() if hasattr(value, "timestamp") else value


def as_rows(table: pa.Table, columns: list[str]) -> list[Any]:
    return sorted((plain(row) for row in table.select(columns).to_pylist()), key=repr)


def as_rows_of_frame(frame: pandas.DataFrame, columns: list[str]) -> list[Any]:
    """Rows of pandas, which gives lists as arrays, and integers of a column with nulls as floats."""

    def cell(value: Any) -> Any:
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, list) and pandas.isna(value):
            return None
        return int(value) if isinstance(value, float) and value.is_integer() else value

    rows = [{name: cell(value) for name, value in row.items()} for row in frame[columns].to_dict("records")]
    return sorted((plain(row) for row in rows), key=repr)


@pytest.mark.parametrize("name", TABLES)
def test_every_reader_reads_the_same(name: str, output: Path) -> None:
    files = f"{output}/{name}/run=*/*.parquet"
    paths = sorted((output / name).glob("run=*/*.parquet"))
    columns = TABLES[name].schema.names
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        by_duckdb = connection.sql(f"FROM read_parquet('{files}', hive_partitioning = false)").to_arrow_table()
    by_polars = polars.read_parquet(files, hive_partitioning=False).to_arrow()
    by_pandas = pandas.concat([pandas.read_parquet(path, partitioning=None) for path in paths])

    expected = as_rows(ds.dataset([str(path) for path in paths]).to_table(), columns)

    assert as_rows(by_duckdb, columns) == expected
    assert as_rows(by_polars, columns) == expected
    assert as_rows_of_frame(by_pandas, columns) == expected
    assert by_duckdb.column_names == by_polars.column_names == columns


def test_the_fixture_has_rows_in_every_table(tables: dict[str, pa.Table]) -> None:
    assert tables.keys() == TABLES.keys()
    assert all(table.num_rows for table in tables.values())


@pytest.mark.parametrize("name", TABLES)
def test_files_keep_the_schema_and_its_documentation(name: str, output: Path) -> None:
    for path in (output / name).glob("run=*/*.parquet"):
        assert pq.read_schema(path).equals(TABLES[name].schema, check_metadata=True)


RESERVED = re.compile(r"_PARTITION|_TABLE_|_FILE_|_ROW_TIMESTAMP|__ROOT__|_COLIDENTIFIER", re.IGNORECASE)


@pytest.mark.parametrize("name", TABLES)
def test_files_keep_the_rules_of_bigquery_and_spark(name: str, output: Path) -> None:
    for path in (output / name).glob("run=*/*.parquet"):
        schema = pq.ParquetFile(path).schema
        names = [step for index in range(len(schema)) for step in schema.column(index).path.split(".")]
        assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,299}", step) for step in names)
        assert not any(RESERVED.match(step) for step in names)
        for index in range(len(schema)):
            column = schema.column(index)
            assert column.max_repetition_level <= 1
            assert ("list.element" in column.path) == (column.max_repetition_level == 1)
            check_type(column)
        columns = [field.name.lower() for field in TABLES[name].schema]
        assert len(set(columns)) == len(columns)
        assert {pq.ParquetFile(path).metadata.row_group(g).column(0).compression for g in groups(path)} <= {"ZSTD"}


def groups(path: Path) -> range:
    return range(pq.ParquetFile(path).metadata.num_row_groups)


def check_type(column: Any) -> None:
    logical = str(column.logical_type)
    allowed = {"INT32": ["None"], "INT64": ["None", "Timestamp"], "DOUBLE": ["None"], "BOOLEAN": ["None"]}
    allowed["BYTE_ARRAY"] = ["String"]
    assert logical.split("(")[0] in allowed[column.physical_type]
    if logical.startswith("Timestamp"):
        assert "isAdjustedToUTC=true" in logical
        assert "timeUnit=microseconds" in logical


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("ns", "UTC"), pa.timestamp("us"), pa.null(), pa.uint32(), pa.float16(), pa.time64("us"),
     pa.dictionary(pa.int32(), pa.string()), pa.map_(pa.string(), pa.string())],
    ids=str,
)  # fmt: skip
def test_types_that_not_every_reader_knows_have_no_place_in_a_table(kind: pa.DataType) -> None:
    with pytest.raises(KeyError):
        bigquery_type(kind)
    for table in TABLES.values():
        for field in table.schema:
            assert bigquery_type(field.type)


SPARK = """
import sys
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[1]").config("spark.driver.bindAddress", "127.0.0.1")
         .config("spark.driver.host", "127.0.0.1").config("spark.ui.enabled", "false")
         .config("spark.sql.session.timeZone", "UTC").getOrCreate())
for name in sys.argv[3:]:
    files = spark.read.option("recursiveFileLookup", "true").parquet(f"{sys.argv[1]}/{name}")
    files.coalesce(1).write.parquet(f"{sys.argv[2]}/{name}")
"""


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason=RUN_PYSPARK)
@pytest.mark.parametrize("output", ["rows", pytest.param("empty", marks=pytest.mark.long)], indirect=True)
def test_spark_reads_the_same_and_what_it_writes_is_the_same(output: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SPARK, str(output), str(tmp_path), *TABLES]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]

    for name, table in TABLES.items():
        columns = table.schema.names
        by_spark, ours = (
            ds.dataset([str(path) for path in found]).to_table()
            for found in (sorted((tmp_path / name).glob("*.parquet")), sorted((output / name).glob("run=*/*.parquet")))
        )
        assert by_spark.column_names == columns
        assert as_rows(by_spark, columns) == as_rows(ours, columns)
