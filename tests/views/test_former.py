"""Answers under ids of earlier versions are of the images that they were; runs that were killed count nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.views.database import Folder, opened
from image_analysis_beam.schemas import TABLES, flatten
from image_analysis_beam.schemas.outcomes import Analyzed, Deferred
from image_analysis_beam.transforms.account_run import make_manifest
from image_analysis_beam.transforms.endpoint.fingerprint import request_fingerprint
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.uri import ImageRef, former_image_id
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.records import commit
from image_analysis_beam.transforms.lists.contents import input_reference
from image_analysis_beam.transforms.write_tables import WrittenFile

TAGS = AnalyzeRequest(features="tags")
RUN = "20260102T030405Z-ab12"
BODY = json.dumps(
    {
        "modelVersion": "v",
        "metadata": {"width": 60, "height": 50},
        "tagsResult": {"values": [{"name": "tree", "confidence": 0.9}]},
    }
)
ALONE, DEFERRED = "https://h/alone?token=A", "https://h/deferred?token=A"
TWO = "https://h/two?token=A", "https://h/two?token=B"
PLAIN = "https://h/plain", "https://h/plain?token=A"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that answered an image and deferred one under their former ids, and one that may be either of two."""
    output = tmp_path_factory.mktemp("former") / "out"
    fingerprint = request_fingerprint(TAGS)
    listed = [ImageRef.of(uri, "a.txt", line) for line, uri in enumerate([ALONE, DEFERRED, *TWO, *PLAIN], 1)]
    answers = [answer(former_image_id(uri) or ImageRef.of(uri).image_id, uri) for uri in (ALONE, TWO[0], PLAIN[0])]
    deferred = [Deferred(str(former_image_id(DEFERRED)), DEFERRED[:-1], "outage", "503", fingerprint, RUN)]
    responses = TABLES["responses"].to_table(answers)
    tables = {
        **flatten(responses).tables,
        "responses": responses,
        "deferred": TABLES["deferred"].to_table(deferred),
        "inputs": TABLES["inputs"].to_table([input_reference(image, RUN) for image in listed]),
    }
    files = []
    for name, rows in tables.items():
        path = output / name / f"run={RUN}" / "0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(rows, path)
        files.append(WrittenFile(name, str(path), rows.num_rows))
    counts = {"input": 6, "deferred": 1, "skipped.answered": 2, f"lists.0.{RUN}.a.txt": 6}
    facts = {"started_at": "", "request": {"features": ["tags"]}, "fingerprint": fingerprint}
    at = answers[0].analyzed_at
    commit(Layout(str(output)), RUN, make_manifest(str(output), RUN, facts, files, counts, at))
    return output


def answer(image_id: str, uri: str) -> Analyzed:
    at = datetime(2026, 1, 2, tzinfo=timezone.utc)
    call: tuple[Any, ...] = ("request", "West US", 1, 10.0, 1, False, 70, 0, at)
    return Analyzed(
        image_id, uri.partition("?")[0], request_fingerprint(TAGS), RUN, "2024-02-01", ("tags",), None, BODY, *call
    )


@pytest.fixture(scope="module")
def ask(output: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    def rows(query: str) -> list[tuple[Any, ...]]:
        with opened(Folder(str(output)), query) as connection:
            found: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return found

    return rows


def test_what_was_answered_under_the_former_id_is_not_unknown(ask):
    places = [place for (place,) in ask("SELECT place FROM outcomes ORDER BY position")]
    # Of two images that had the same id, and of one whose former id is another image's today, it cannot be told.
    assert places == ["answered", "deferred", "unknown", "unknown", "answered", "unknown"]


def test_rows_of_every_view_have_the_present_id(ask):
    alone, deferred = (ImageRef.of(uri).image_id for uri in (ALONE, DEFERRED))
    for view in ("images", "tags", "responses", "answers"):
        assert ask(f"SELECT count(*) FROM {view} WHERE image_id = '{alone}'") == [(1,)], view
    assert ask("SELECT image_id, place FROM failures") == [(deferred, "deferred")]
    assert ask(f"SELECT count(*) FROM raw.images WHERE image_id = '{alone}'") == [(0,)]


def test_show_finds_the_calls_under_the_former_id(output, capsys):
    assert main(["show", str(output), ALONE, "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert [row["result"] for row in known["runs"]] == ["answered"]
    assert [row["feature"] for row in known["held"]] == ["tags"]
    assert main(["show", str(output), TWO[1], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["held"] == []


def test_a_run_that_was_taken_over_counts_once(emulator, run, pictures, listed, monkeypatch):
    """The first run ends before its commit; the second one takes its answers over, and another list with it."""
    first, second = pictures(4), pictures(2, first=4)
    with monkeypatch.context() as patch:
        patch.setattr("image_analysis_beam.transforms.account_run.commit", refuse)
        killed = run("--input", listed(first))
    assert killed.code == 3
    assert list(killed.output.glob("images/*/*.parquet")), "they count nowhere"
    finished = run("--input", listed([*first[:3], *second], "more.txt"))
    assert finished.manifest["conservation"]["recovered_extra"] == 1
    assert emulator.stats()["calls"] == 6
    with opened(Folder(str(finished.output))) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT image_id) FROM images").fetchall() == [(6, 6)]
        lists = connection.execute("SELECT DISTINCT list FROM inputs").fetchall()
        assert lists == [(str(finished.output.parent / "more.txt"),)]
        assert connection.execute("SELECT place, count(*) FROM outcomes GROUP BY 1").fetchall() == [("answered", 5)]
        assert connection.execute("SELECT sum(transactions)::INT FROM cost").fetchall() == [(6,)]
        assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]


def refuse(*_: object) -> None:
    raise OSError("storage is full")
