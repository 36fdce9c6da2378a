"""The files that follow from the registry are the ones in the repository, and the load script does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from image_analysis_beam.schemas import SCHEMA_VERSION, TABLES, TableSpec
from image_analysis_beam.schemas.__main__ import GENERATED

REPOSITORY = Path(__file__).parents[2]
AGAIN = "run `python -m image_analysis_beam.schemas`"


@pytest.mark.parametrize("name", GENERATED)
def test_the_repository_has_the_current_text(name: str) -> None:
    assert (REPOSITORY / name).read_text(encoding="utf-8") == GENERATED[name](), AGAIN


def test_the_command_writes_every_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "image_analysis_beam.schemas", str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert printed.split() == [str(tmp_path / name) for name in GENERATED]
    assert all((tmp_path / name).read_bytes() == (REPOSITORY / name).read_bytes() for name in GENERATED)
    assert os.access(tmp_path / "deploy/bigquery/load.sh", os.X_OK)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_every_column_and_table_says_what_it_is(table: TableSpec) -> None:
    assert TABLES[table.name] is table
    assert table.schema.metadata[b"description"]
    assert table.schema.metadata[b"schema_version"] == b"%d" % SCHEMA_VERSION
    for field in table.schema:
        assert field.metadata[b"description"]
        assert 1 <= int(field.metadata[b"since"]) <= SCHEMA_VERSION
        # Files of earlier versions are read with nulls in it.
        assert field.nullable or field.metadata[b"since"] == b"1"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_keys_and_references_name_columns_that_are_never_null(table: TableSpec) -> None:
    for name in table.primary_key:
        assert not table.schema.field(name).nullable
    for field in table.schema:
        if b"references" in field.metadata:
            target, column = field.metadata[b"references"].decode().split(".")
            assert TABLES[target].schema.field(column).type == field.type


def stand_in(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f'#!/usr/bin/env bash\nprintf "%s\\n" "{name} $*" >>"$CALLS"\n{script}\n')
    path.chmod(0o755)


def load(tmp_path: Path, gcloud: str, *arguments: str) -> tuple[int, list[str]]:
    """Runs the load script where `bq` and `gcloud` only write down how they are called."""
    calls = tmp_path / "calls"
    calls.touch()
    stand_in(tmp_path, "bq", "exit 0")
    stand_in(tmp_path, "gcloud", gcloud)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)}
    script = REPOSITORY / "deploy/bigquery/load.sh"
    code = subprocess.run(["bash", script, *arguments], env=environment, capture_output=True).returncode
    return code, calls.read_text().splitlines()


def test_the_load_script_replaces_the_run_in_every_table(tmp_path: Path) -> None:
    code, calls = load(tmp_path, "exit 0", "gs://bucket/out/", "RUN", "project:dataset")

    assert code == 0
    for name in TABLES:
        delete = calls.index(
            "bq query --use_legacy_sql=false --dataset_id=project:dataset --parameter=run::RUN "
            f"DELETE FROM `{name}` WHERE run_id = @run"
        )
        assert calls[delete + 1] == (
            "bq load --source_format=PARQUET --parquet_enable_list_inference=true "
            "--schema_update_option=ALLOW_FIELD_ADDITION "
            f"project:dataset.{name} gs://bucket/out/{name}/run=RUN/*.parquet"
        )


def test_the_load_script_refuses_a_run_that_is_not_committed(tmp_path: Path) -> None:
    code, calls = load(tmp_path, "exit 1", "gs://bucket/out", "RUN", "project:dataset")

    assert code == 1
    assert calls == ["gcloud storage ls gs://bucket/out/runs/RUN.json"]


def test_the_load_script_leaves_out_tables_that_the_run_has_no_file_of(tmp_path: Path) -> None:
    _, calls = load(tmp_path, '[[ "$*" == *.json || "$*" == */tags/* ]]', "gs://bucket/out", "RUN", "project:dataset")

    loaded = [call.split("project:dataset.")[1].split()[0] for call in calls if call.startswith("bq load")]
    assert loaded == ["tags"]


def test_the_load_script_wants_three_arguments(tmp_path: Path) -> None:
    assert load(tmp_path, "exit 0", "gs://bucket/out") == (2, [])
