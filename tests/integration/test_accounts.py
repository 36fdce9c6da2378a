"""The accounts add up: under any input, any faults, any crash; and the manifest says so in its documented form."""

import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from pkgutil import resolve_name

import duckdb
import jsonschema
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.transforms.account_run import AccountingError, make_manifest
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_runs
from image_analysis_beam.transforms.write_tables import TableFile, WrittenFile

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "manifest.schema.json").read_text())
CASES = int(os.environ.get("CONSERVATION_CASES", "4"))


def test_manifests_are_what_the_schema_says(emulator, run, pictures, tmp_path):
    folder = pictures(20)[0].parent
    (folder / "broken.png").touch()
    emulator.set_faults({"rules": [{"match": {"every": 5}, "fault": "extra_fields"}]})
    runs = [run("--images", folder / "*.png", "--max_calls", "15"), run("--images", folder / "*.png")]
    runs.append(run("--stored", runs[0].output, "--output", tmp_path / "fresh", command="reflatten", features=None))
    for finished in runs:
        jsonschema.validate(finished.manifest, SCHEMA)
    first, second, _ = (finished.manifest for finished in runs)
    assert (first["complete"], first["exit_status"], second["complete"], second["exit_status"]) == (False, 3, True, 0)
    assert sum(step.get("answered", 0) for step in second["timeline"]) == second["attempts"]["answered"]
    assert 0 < second["latency_seconds"]["p50"] <= second["latency_seconds"]["p99"]
    for name, table in second["tables"].items():
        assert table["rows"] == sum(pq.read_metadata(runs[1].output / file).num_rows for file in table["files"]), name


@pytest.mark.parametrize(
    ("counts", "rows"),
    [
        ({"input": 3}, {"images": 2}),
        ({"input": 2}, {"images": 3}),
        ({"input": 3, "dead_letters": 1}, {"images": 2}),
        ({"input": 3, "deferred": 1}, {"images": 2, "deferred": 2}),
    ],
)
def test_accounts_that_do_not_add_up_are_not_committed(counts, rows):
    files = [WrittenFile(table, f"{table}.parquet", number) for table, number in rows.items()]
    with pytest.raises(AccountingError, match="do not add up"):
        make_manifest("out", "run", {}, files, counts, now=None)


def test_a_lost_row_ends_with_exit_4_and_no_manifest(emulator, run, pictures, monkeypatch):
    monkeypatch.setattr("image_analysis_beam.transforms.write_tables.TableFile.close", _forget_a_row)
    finished = run("--images", pictures(5)[0].parent / "*.png")
    assert finished.code == 4
    assert "do not add up" in finished.err.splitlines()[-1]
    (record,) = (json.loads(path.read_text()) for path in (finished.output / "runs").glob("*.json"))
    assert record["status"] == "fenced"


def _forget_a_row(file, close=TableFile.close):
    written = close(file)
    return written._replace(rows=written.rows - (written.table == "images"))


KINDS = ["good", "missing", "empty", "ftp", "poison", "refused", "malformed", "flaky", "lost"]
WIDTHS = {"good": 64, "poison": 70, "refused": 71, "malformed": 72, "flaky": 73, "lost": 74}
RULES = [
    {"match": {"width": 70}, "fault": "internal"},
    {"match": {"width": 71}, "fault": "image_format"},
    {"match": {"width": 72}, "fault": "wrong_types"},
    {"match": {"width": 73, "first": 1, "per_image": True}, "fault": {"kind": "throttled", "retry_after": 0.01}},
    {"match": {"width": 74, "first": 1, "per_image": True}, "fault": "reset_midway"},
]
OUTAGES = [
    None,
    {"after_calls": 3, "calls": 10_000, "kind": "quota"},
    {"after_calls": 0, "calls": 10_000, "kind": "unauthorized"},
]
CRASHES = [
    None,
    ("image_analysis_beam.transforms.ledger.journal.write_table", 1),
    ("image_analysis_beam.transforms.files.storage.create", 3),
    ("image_analysis_beam.transforms.files.local.LocalStore.move", 1),
    ("image_analysis_beam.transforms.files.local.LocalStore.move", 4),
    *(("image_analysis_beam.transforms.files.local.LocalStore.create", call) for call in (1, 3, 4)),
]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, make_picture):
    """Ten images of each kind."""
    folder = tmp_path_factory.mktemp("gallery")
    uris = {
        kind: [str(make_picture(folder / f"{kind}{n}.png", n, width)) for n in range(10)]
        for kind, width in WIDTHS.items()
    }
    uris["missing"] = [str(folder / f"missing{n}.png") for n in range(10)]
    uris["ftp"] = [f"ftp://host/{n}.png" for n in range(10)]
    uris["empty"] = [str(folder / f"empty{n}.png") for n in range(10)]
    for uri in uris["empty"]:
        Path(uri).touch()
    return uris


@settings(max_examples=CASES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)), max_size=16),
    st.sampled_from(OUTAGES),
    st.sampled_from(CRASHES),
)
def test_everything_ends_in_exactly_one_place(emulator, gallery, items, outage, crash):
    uris = [gallery[kind][number] for kind, number in items]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "uris.txt").write_text("".join(f"{uri}\n" for uri in uris))
        flags = ["--input", str(folder / "uris.txt"), "--output", str(folder / "out"), "--features", "tags"]
        command = ["run", *flags, "--requests_per_second", "2000", "--max_attempts", "1"]
        emulator.reset()
        emulator.set_faults({"rules": RULES, "outage": outage})
        if crash:
            run_into(crash, command)
            if committed_runs(Layout(str(folder / "out"))):
                return  # the run ended before the call that was to fail
        assert main(command) in (0, 3)
        check_places(folder / "out", uris)


def run_into(crash, command):
    """Runs the command with one function failing at its n-th call, as a full disk or a kill would have it."""
    target, calls = crash
    with pytest.MonkeyPatch.context() as patch:
        real, left = resolve_name(target), [calls]

        def fail_in_time(*arguments):
            left[0] -= 1
            if left[0] == 0:
                raise OSError("crash")
            return real(*arguments)

        patch.setattr(target, fail_in_time)
        try:
            main(command)
        except Exception as error:
            if "crash" not in str(error):
                raise


def check_places(output, uris):
    runs = committed_runs(Layout(str(output)))
    places = Counter()
    for table in ("images", "dead_letters", "deferred"):
        query = f"SELECT image_uri FROM '{output}/{table}/run=*/*.parquet' WHERE run_id IN {(*runs, '')}"
        places.update(uri for (uri,) in duckdb.sql(query).fetchall())
    assert places == Counter(set(uris))
    accounts = json.loads((output / "runs" / f"{runs[-1]}.json").read_text())["conservation"]
    assert accounts["input"] == len(uris)
    assert accounts["duplicates"] == len(uris) - len(set(uris))
