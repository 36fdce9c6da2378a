"""A folder that other versions wrote: for each column a run that lacks it, and runs with more, wider and null columns.

Every command and every query that is shipped reads it; what it holds of answers is not paid for again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.manifests import FIELDS
from image_analysis_beam.pipeline.views.database import Folder, opened
from image_analysis_beam.pipeline.views.definitions import VIEWS
from image_analysis_beam.schemas import TABLES, flatten
from image_analysis_beam.schemas.outcomes import Analyzed, DeadLetter, Deferred, InputReference
from image_analysis_beam.transforms.account_run import make_manifest
from image_analysis_beam.transforms.endpoint.fingerprint import request_fingerprint
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.write_tables import WrittenFile
from stand_ins.report_page import Page

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "manifest.schema.json").read_text())
TAGS = AnalyzeRequest(features="tags")
AT = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc)
KEY = ("image_id", "image_uri", "fingerprint", "run_id")
OTHER_TYPES = {
    pa.string(): [pa.large_string(), pa.dictionary(pa.int32(), pa.string())],
    pa.int32(): [pa.int64(), pa.float64()],
    pa.int64(): [pa.int32(), pa.uint64()],
    pa.float64(): [pa.float32()],
    pa.bool_(): [pa.int8()],
    TABLES["responses"].schema.field("analyzed_at").type: [pa.timestamp("ns", "UTC"), pa.timestamp("us")],
    TABLES["responses"].schema.field("features").type: [pa.large_list(pa.large_string())],
}
VALUES: dict[pa.DataType, list[Any]] = {
    pa.string(): ["a", "é", None],
    TABLES["responses"].schema.field("features").type: [["a"], [], None],
}

Variant = Callable[[pa.Table], pa.Table]


def lacking(number: int) -> Variant:
    """Without the n-th column after `image_id`, of each table that has so many."""
    return lambda rows: rows.remove_column(1 + number) if 1 + number < rows.num_columns else rows


def with_more(rows: pa.Table) -> pa.Table:
    return rows.append_column("unheard_of", [[{"new": number} for number in range(rows.num_rows)]])


def retyped(rows: pa.Table) -> pa.Table:
    """With another type of the same values, where there is one."""
    return rows.cast(
        pa.schema([field.with_type(OTHER_TYPES.get(field.type, [field.type])[0]) for field in rows.schema])
    )


def nullable(rows: pa.Table) -> pa.Table:
    """With null in the first row, but for its key."""
    fields = [field.with_nullable(field.name not in KEY) for field in rows.schema]
    emptied = [{name: value if name in KEY else None for name, value in row.items()} for row in rows.to_pylist()[:1]]
    return pa.Table.from_pylist([*emptied, *rows.to_pylist()[1:]], pa.schema(fields))


LACKING = max(len(table.columns) for table in TABLES.values()) - 1
VARIANTS = [*map(lacking, range(LACKING)), with_more, retyped, nullable]
COMMITTED = [f"202601{1 + number // 24:02d}T{number % 24:02d}0000Z-0000" for number in range(len(VARIANTS))]
DEAD = [run.replace("202601", "202602") for run in COMMITTED]


class Images:
    """Pictures that can be analyzed, two at a time; `of` are the ids by what they are in the folder."""

    def __init__(self, folder: Path, picture: Callable[..., Path]) -> None:
        self._folder, self._picture, self.made = folder, picture, 0

    def two(self) -> Iterator[ImageRef]:
        for _ in range(2):
            yield ImageRef.of(str(self._picture(self._folder / f"{self.made:04d}.png", self.made)))
            self.made += 1


def answers(images: Iterator[ImageRef], run_id: str, analyzed: Callable[..., Analyzed], body: str) -> pa.Table:
    who = {"run_id": run_id, "fingerprint": request_fingerprint(TAGS), "analyzed_at": AT}
    rows = [analyzed(body, image_id=image.image_id, image_uri=image.image_uri, **who) for image in images]
    return TABLES["responses"].to_table(rows)


def tables(images: Images, run_id: str, responses: pa.Table) -> dict[str, pa.Table]:
    """All tables of a run: two answers, two dead letters that may be called again, two deferred, two lines."""
    fingerprint = request_fingerprint(TAGS)
    dead = [
        DeadLetter(
            *(image.image_id, image.image_uri, "service_error", 500, "InternalServerError", None, "no", True, True, 1),
            *(AT, AT, "request", "West US", None, fingerprint, 0, "{}", run_id),
        )
        for image in images.two()
    ]
    deferred = [Deferred(i.image_id, i.image_uri, "outage", "503", fingerprint, run_id) for i in images.two()]
    lines = [
        InputReference("a.txt", line, row["image_uri"], row["image_id"], *[None] * 5, run_id)
        for line, row in enumerate(responses.to_pylist(), 1)
    ]
    records = {"dead_letters": dead, "deferred": deferred, "inputs": lines}
    return {
        **flatten(responses).tables,
        "responses": responses,
        **{name: TABLES[name].to_table(rows) for name, rows in records.items()},
    }


def manifest(number: int, out: Path, run_id: str, written: dict[str, pa.Table]) -> dict[str, Any]:
    """A manifest that lacks the n-th field; one of a later version at the end."""
    files = [WrittenFile(name, f"{out}/{name}/run={run_id}/0.parquet", rows.num_rows) for name, rows in written.items()]
    counts = {"input": 8, "duplicates": 2, "dead_letters": 2, "dead_letters.service_error": 2, "deferred": 2}
    facts = {
        "started_at": AT.isoformat(),
        "request": {"features": ["tags"], "language": "en"},
        "fingerprint": request_fingerprint(TAGS),
        "runner": "FnApiRunner",
        "versions": {"python": "3.11"},
    }
    whole = make_manifest(str(out), run_id, facts, files, counts | {"deferred.outage": 2}, AT)
    may_lack = [name for name in whole if name not in ("conservation", "tables")]
    if number < len(VARIANTS) - 1:
        del whole[may_lack[number % len(may_lack)]]
        del whole["conservation"]["skipped"]
        return whole
    whole["tables"]["brand_new"] = {"rows": 7, "bytes": 70, "files": ["brand_new/0.parquet"]}
    whole["request"] |= {"features": ["tags", "mood"], "colour": "red"}
    whole["conservation"]["lost"] = 0
    return whole | {"manifest_version": 2, "timeline": {"form": "another"}, "calls": 7, "surprise": [1]}


@pytest.fixture(scope="module")
def written(tmp_path_factory, make_picture, analyzed, contract_bodies) -> Path:
    """The folder `out`, beside the pictures that it is about."""
    folder = tmp_path_factory.mktemp("evolution")
    (folder / "pictures").mkdir()
    images, out = Images(folder / "pictures", make_picture), folder / "out"
    for number, (variant, run_id, dead) in enumerate(zip(VARIANTS, COMMITTED, DEAD, strict=True)):
        responses = answers(images.two(), run_id, analyzed, contract_bodies["ga_all_features"])
        whole = tables(images, run_id, responses)
        for name, rows in whole.items():
            write(out / name / f"run={run_id}" / "0.parquet", variant(rows))
        (out / "runs").mkdir(exist_ok=True)
        (out / "runs" / f"{run_id}.json").write_text(json.dumps(manifest(number, out, run_id, whole)))
        journalled = answers(images.two(), dead, analyzed, contract_bodies["ga_all_features"])
        write(out / "journal" / f"run={dead}" / "0.parquet", variant(journalled))
        long_ago(out / "runs" / f"{dead}.started", text='{"host": "elsewhere"}')
    return folder


def write(path: Path, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)
    long_ago(path)


def long_ago(path: Path, text: str | None = None) -> None:
    if text is not None:
        path.write_text(text)
    os.utime(path, (AT.timestamp(), AT.timestamp()))


@pytest.fixture
def out(written: Path, tmp_path: Path) -> Path:
    """A copy of the folder."""
    return shutil.copytree(written / "out", tmp_path / "out")


def test_nothing_is_paid_for_again(out, written, emulator, run, monkeypatch):
    monkeypatch.setattr(
        "image_analysis_beam.transforms.ledger.liveness._LOCAL_BEAT", 0.01
    )  # each of the dead runs is watched for three
    listed = ["--images", written / "pictures" / "*.png"]
    planned = json.loads(run(*listed, "--json", command="plan").out)
    all_of_them = 2 * len(VARIANTS)
    # A run without `fingerprint`, and so whose rows say nothing of this request, is there for each of the tables.
    assert planned["input"] == 4 * all_of_them
    assert planned["recovered"] == all_of_them - 2
    # Whether they can be called again is not known of the run without `retryable` and of the one that is null.
    assert planned["skipped"] == {"answered": all_of_them - 2, "known_bad": 2 + 1}
    assert planned["why"] == {
        "redriven": all_of_them - 3 - 2,
        "deferred_before": all_of_them - 2,
        "new": 4 * 2,
    }
    finished = run(*listed)
    assert (finished.code, emulator.stats()["calls"]) == (0, planned["to_call"])
    assert f"report: {out}/report.html" in finished.out
    assert finished.err.count("of a later version") == 1
    # Three have no body: those of the run without one, and the one that is null.
    assert finished.manifest["conservation"] == {
        "input": 4 * all_of_them,
        "recovered_extra": 2,
        "analyzed": planned["to_call"] + all_of_them - 3,
        "dead_letters": 3,
        "deferred": 0,
        "skipped": sum(planned["skipped"].values()),
        "duplicates": 0,
    }
    again = run(*listed)
    assert emulator.stats()["calls"] == planned["to_call"]
    assert again.manifest["conservation"]["skipped"] == 4 * all_of_them


def test_answers_are_flattened_again(out, run, tmp_path):
    finished = run("--stored", out, "--output", tmp_path / "fresh", command="reflatten", features=None)
    assert finished.code == 0
    assert finished.manifest["conservation"]["analyzed"] == 2 * len(VARIANTS) - 3
    ids = finished.rows("images", "image_id")
    assert len(set(ids)) == len(ids)
    assert finished.rows("responses", "count(*)", "body = ''") == [(3,)]
    tags = finished.rows("tags", "count(*)")
    assert tags == [(len(ids) * len(finished.rows("tags", "*", f"image_id = '{ids[0][0]}'")),)]


@pytest.mark.parametrize("number", range(len(VARIANTS)))
def test_any_run_can_be_shown_and_reported(number, written, tmp_path, capsys):
    """Each as the last run of a folder of its own."""
    out, run_id = tmp_path / "out", COMMITTED[number]
    (out / "runs").mkdir(parents=True)
    shutil.copy(written / "out" / "runs" / f"{run_id}.json", out / "runs")
    for table in TABLES:
        (out / table).symlink_to(written / "out" / table)
    assert main(["show", str(out)]) == 0
    shown = capsys.readouterr()
    for table in ("images", "tags", "read_lines", "dead_letters", "deferred"):
        assert f"{table}: {len(pq.read_table(out / table / f'run={run_id}', columns=[]))} rows" in shown.out
    assert main(["report", str(out)]) == 0
    page = Page(out)
    assert page.data["verdict"]["input"] == 8
    is_later = number == len(VARIANTS) - 1
    # An answer of which it is not known what was asked, or in which run, is none.
    answers = 0 if number in missing("images", "fingerprint", "run_id") else 2
    assert page.data["verdict"]["answers"] == answers
    assert len([image for image in page.images if image.get("t")]) == answers
    lines = [line for line in shown.err.splitlines() if "of a later version" in line]
    assert len(lines) == is_later
    assert not is_later or all(
        name in lines[0] for name in ("manifest_version 2", "surprise", "conservation.lost", "timeline", "calls")
    )


def missing(table: str, *names: str) -> set[int]:
    """The numbers of the runs whose rows of the table have no value in some of these columns."""
    return {TABLES[table].schema.names.index(name) - 1 for name in names}


def test_the_queries_that_are_shipped_read_it(written, monkeypatch):
    monkeypatch.chdir(written)
    (written / "catalog.csv").write_text("sku,uri\n")
    folder = Folder("out")
    for page in ("docs/queries.md", "README.md"):
        for query in re.findall(r"```sql\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
            with opened(folder, query) as connection:
                connection.execute(query)
    with opened(folder) as connection:
        for name in VIEWS:
            connection.execute(f"FROM {name}").fetchall()
        # Rows without a fingerprint or a run cannot be told to be of an answer.
        assert connection.execute("SELECT count(*) FROM images").fetchall() == [(2 * (len(VARIANTS) - 2),)]


@pytest.mark.parametrize("name", TABLES)
def test_values_survive_another_type(name):
    spec = TABLES[name]
    for field in spec.columns:
        for other in OTHER_TYPES.get(field.type, ()):
            cells = pa.array(VALUES.get(field.type, [1, None])).cast(field.type)
            read = spec.conform(pa.table({field.name: cells.cast(other)}), [field.name])
            assert read.field(0).type == field.type
            assert read[field.name].to_pylist() == cells.to_pylist()


def test_what_a_type_cannot_hold_is_null():
    spec = TABLES["responses"]
    rows = pa.table({"attempts": [1, 2**40], "body": [{"a": 1}, {"a": 2}], "latency_ms": ["1.5", "fast"]})
    read = spec.conform(rows)
    assert read.select(rows.column_names).to_pydict() == {
        "attempts": [1, None],
        "body": [None, None],
        "latency_ms": [1.5, None],
    }
    written = spec.filled(read)
    written.validate(full=True)
    assert written["attempts"].to_pylist() == [1, 0]
    assert not any(written[field.name].null_count for field in spec.columns if not field.nullable)


def test_the_fields_of_manifests_are_those_of_the_schema():
    assert FIELDS.keys() == SCHEMA["properties"].keys()
    for name in ("conservation", "calls"):
        assert FIELDS[name].keys() == SCHEMA["properties"][name]["properties"].keys()
