"""What the views say of a folder is what its manifests say, and no image counts twice."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.troubleshooting import REASONS, advice
from image_analysis_beam.pipeline.views.database import Folder, opened
from image_analysis_beam.pipeline.views.definitions import VIEWS
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.transforms.endpoint.faults import FAULTS


def rows(views, query):
    return views.execute(query).fetchall()


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_can_be_read_and_says_what_it_holds(views, name):
    rows(views, f"FROM {name}")
    assert VIEWS[name].description


@pytest.mark.parametrize("name", [name for name in VIEWS if name in TABLES])
def test_a_view_of_a_table_has_its_columns(views, name):
    assert [column for column, *_ in views.execute(f"FROM {name}").description] == TABLES[name].schema.names


def test_two_requests_and_a_second_answer_count_an_image_once(views, history):
    assert rows(views, "SELECT count(*), count(DISTINCT image_id) FROM images") == [(6, 6)]
    assert rows(views, "SELECT count(*), count(DISTINCT image_id) FROM captions") == [(4, 4)]
    third = history.manifests[2]["run_id"]
    assert rows(views, "SELECT DISTINCT run_id FROM tags") == [(third,)]
    assert rows(views, "SELECT count(*) FROM raw.tags") == [(2 * rows(views, "SELECT count(*) FROM tags")[0][0],)]
    assert rows(views, "SELECT count(*) FROM (SELECT DISTINCT image_id, ordinal FROM tags)") == rows(
        views, "SELECT count(*) FROM tags"
    )
    features = dict(rows(views, "SELECT feature, count(*) FROM answers GROUP BY ALL"))
    assert features == {"tags": 6, "caption": 4}


def test_features_of_several_calls_are_together(views):
    both = "SELECT features, sections, count(*) FROM images GROUP BY ALL ORDER BY 3"
    found = {tuple(features): (set(sections), number) for features, sections, number in rows(views, both)}
    assert found == {
        ("tags",): ({"tagsResult"}, 2),
        ("caption", "tags"): ({"captionResult", "tagsResult"}, 4),
    }


def test_failures_are_what_is_open(views, history):
    found = rows(views, "SELECT place, reason, features, next FROM failures ORDER BY ALL")
    again = "called again by the next run"
    assert found == [
        ("dead_letter", "invalid_uri", ["tags"], "not called again; call it with --redrive invalid_uri"),
        ("dead_letter", "unreadable_image", ["tags"], again),
        ("deferred", "over_budget", ["caption"], "called first by the next run"),
        ("deferred", "over_budget", ["caption"], "called first by the next run"),
    ]
    assert rows(views, "SELECT count(*) FROM failures WHERE what_to_do IS NULL") == [(0,)]
    assert dict(rows(views, "FROM known.reasons")) == {name: advice(name) for name in (*FAULTS, *REASONS)}


def test_every_line_has_an_outcome(views, history):
    found = rows(
        views, "SELECT position, place, reason, is_duplicate FROM outcomes WHERE list LIKE '%/uris.txt' ORDER BY 1"
    )
    places = [(place, reason) for _, place, reason, _ in found]
    assert [position for position, *_ in found] == list(range(1, 10))
    assert Counter(places[:6]) == {("answered", None): 4, ("deferred", "over_budget"): 2}
    assert places[6] == places[0]
    assert places[7:] == [("dead_letter", "invalid_uri"), ("dead_letter", "unreadable_image")]
    assert [position for position, *_, duplicate in found if duplicate] == [7]
    last = history.manifests[-1]
    assert len(found) == last["conservation"]["input"]
    assert sum(duplicate for *_, duplicate in found) == last["conservation"]["duplicates"]


def on_a_slow_clock(path, run_id, slow):
    """Makes a file that names a run that of one on a machine whose clock is years behind."""
    if path.suffix == ".json":
        path.write_text(path.read_text().replace(run_id, slow))
    elif run_id in str(path):
        table = pq.read_table(path)
        for index, field in enumerate(table.schema):
            cells = table[field.name].to_pylist()
            if field.name == "run_id":
                cells = [slow] * len(cells)
            elif pa.types.is_timestamp(field.type):
                cells = [at and at - timedelta(days=3650) for at in cells]
            table = table.set_column(index, field, pa.array(cells, field.type))
        path.parent.with_name(f"run={slow}").mkdir(exist_ok=True)
        pq.write_table(table, path.parent.with_name(f"run={slow}") / path.name)


def test_the_newest_run_is_told_by_the_log_not_by_a_clock(views, history, tmp_path):
    """Of three runs that asked the same, the third was made where the clock is behind."""
    third, slow = history.manifests[2]["run_id"], "20160101T000000Z-0000"
    output = shutil.copytree(history.output, tmp_path / "out")
    for path in [path for path in output.rglob("*.*") if path.is_file()]:
        on_a_slow_clock(path, third, slow)
    (output / "runs" / f"{third}.json").rename(output / "runs" / f"{slow}.json")
    queries = [
        "SELECT image_id, feature, run_id FROM answers ORDER BY ALL",
        "SELECT image_id, run_id, features, sections FROM images ORDER BY ALL",
        "SELECT image_id, ordinal, run_id FROM tags ORDER BY ALL",
        "SELECT image_id, run_id, reason FROM failures ORDER BY ALL",
        "SELECT list, position, run_id FROM outcomes ORDER BY ALL",
    ]
    told = [repr(rows(views, query)) for query in queries]
    assert all(third in some for some in told[:1] + told[2:3])
    calls = "SELECT request_id FROM responses ORDER BY ALL"
    with opened(Folder(str(output))) as slow_views:
        for query, some in zip(queries, told, strict=True):
            assert repr(rows(slow_views, query)) == some.replace(third, slow)
        newest = rows(slow_views, calls)
    assert main(["reflatten", "--stored", str(output), "--output", str(tmp_path / "again")]) == 0
    with opened(Folder(str(tmp_path / "again"))) as again:
        assert rows(again, calls) == newest


def test_cost_is_that_of_the_manifests_to_the_cent(views, history):
    told = sum(Decimal(str(manifest["cost"]["amount"])) for manifest in history.manifests)
    assert rows(views, "SELECT sum(amount) FROM cost") == [(told,)]
    assert rows(views, "SELECT sum(amount) FROM runs") == [(told,)]
    by_feature = Counter()
    for manifest in history.manifests:
        by_feature.update(manifest["cost"]["transactions"])
    assert dict(rows(views, "SELECT feature, sum(transactions)::INT FROM cost GROUP BY ALL")) == dict(by_feature)
    assert by_feature["tags"] >= 12


def test_runs_are_the_manifests(views, history):
    names = ("input", "analyzed", "dead_letters", "deferred", "skipped", "duplicates")
    told = [
        (manifest["run_id"], manifest["complete"], *(manifest["conservation"][name] for name in names))
        for manifest in history.manifests
    ]
    assert rows(views, f"SELECT run_id, complete, {', '.join(names)} FROM runs ORDER BY number") == told


def test_without_beam(history):
    program = (
        "import sys; from image_analysis_beam.pipeline.__main__ import main\n"
        f"assert main(['sql', {str(history.output)!r}, 'SELECT count(*) AS n FROM outcomes']) == 0\n"
        "assert not [name for name in sys.modules if name.startswith('apache_beam')]"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "n\n15\n"), ended.stderr


def test_no_documented_query_counts_an_image_twice(views, history, monkeypatch):
    """Two requests, and one of them asked again: rows are unique, and no number of images is larger than there are."""
    monkeypatch.chdir(history.pictures[0].parent)
    (history.pictures[0].parent / "catalog.csv").write_text("sku,uri\n")
    text = (Path(__file__).parents[2] / "docs" / "queries.md").read_text()
    queries = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert len(queries) >= 10
    for query in queries:
        result = views.execute(query)
        names, found = [name for name, *_ in result.description], result.fetchall()
        assert len(found) == len(set(map(repr, found))), query
        for row in found:
            assert dict(zip(names, row, strict=True)).get("images", 0) <= len(history.pictures), query
    top = next(query for query in queries if query.startswith("SELECT name, count(*) AS images"))
    of_each = "SELECT count(DISTINCT image_id) FROM tags WHERE name = ?"
    for name, images, _ in rows(views, top):
        assert views.execute(of_each, [name]).fetchall() == [(images,)]
