"""Byte-identical images under several names: one call, complete rows of each, and accounts that say so."""

import json
import shutil
from collections import Counter
from typing import Any, NamedTuple

import apache_beam as beam
import pytest
from conftest import KEY, Run

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest
from image_analysis_beam.transforms.files.local import LocalStore
from stand_ins.report_page import Page

WIDTH, REFUSED = 96, 60
LATENCY = {"latency": {"seconds": 0.05}}  # several are under way at the same time
REFUSALS = {"rules": [{"match": {"width": REFUSED}, "fault": "image_format"}]}
OWN = {"image_id", "image_uri", "attempts", "billed_units", "bytes_sent", "content_etag", "copy_of"}
NAMES = ["0", "0 again", "0 once more", "1", "1 again", "2", "2 again", "3", "4", "5"]


def make_folder(folder, make_picture):
    """10 images with 4 copies among them; two that are refused, with the same bytes; two that are no images."""
    folder.mkdir()
    for name in NAMES:
        make_picture(folder / f"{name}.png", int(name[0]), WIDTH)
    make_picture(folder / "refused.png", 0, REFUSED)
    shutil.copy(folder / "refused.png", folder / "refused again.png")
    for name in ("broken", "broken again"):
        (folder / f"{name}.png").write_text("no image")
    return folder


class Finished(NamedTuple):
    """A run over such a folder, and what the service saw."""

    run: Run
    stats: dict[str, Any]


@pytest.fixture(scope="module", params=["once", "again", "taken over"])
def finished(make_picture, tmp_path_factory, request):
    """`again`: each bundle ran twice; `taken over`: all was journalled by a run that ended before its commit."""
    folder = make_folder(tmp_path_factory.mktemp("images") / "images", make_picture)
    output = tmp_path_factory.mktemp("copies") / "out"
    command = ["run", "--images", f"{folder}/*.png", "--output", str(output), "--features", "caption,tags"]
    command += ["--fit", "64", "--requests_per_second", "1000"]
    command += ["--direct_runner_bundle_repeat", "1"] if request.param == "again" else []
    with Emulator(key=KEY) as emulator, pytest.MonkeyPatch.context() as patch:
        emulator.set_faults(LATENCY | REFUSALS)
        patch.setenv("VISION_ENDPOINT", emulator.url)
        patch.setenv("VISION_KEY", KEY)
        if request.param == "taken over":
            with pytest.MonkeyPatch.context() as full:
                full.setattr(LocalStore, "move", lambda *_: (_ for _ in ()).throw(OSError("full")))
                assert main(command) == 3
        told: list[str] = []
        patch.setattr("image_analysis_beam.pipeline.summary.out", told.append)
        assert main(command) == 0
        return Finished(Run(0, "".join(told), "", output), emulator.stats())


def test_each_content_is_called_once(finished):
    assert finished.stats["calls"] == 7
    assert finished.stats["distinct_images"] == 7


def test_the_rows_of_a_copy_are_complete(finished):
    """Whichever of the same bytes was called: the others have what it has, and their own names."""
    facts = ", ".join(f"{name}::TEXT" for name in TABLES["images"].schema.names if name not in OWN)
    columns = f"parse_filename(image_uri, true), image_id, copy_of, attempts, billed_units, concat_ws(';', {facts})"
    rows = sorted(finished.run.rows("images", columns))
    assert [name for name, *_ in rows] == NAMES
    assert len(finished.run.rows("images", "DISTINCT content_etag")) == 10
    for content in "012345":
        same = [row[1:] for row in rows if row[0][0] == content]
        ((called, _, _, _, facts),) = (row for row in same if row[1] is None)
        assert "64;64;50;" in facts
        assert Counter(row[1:] for row in same) == Counter(
            [(None, 1, 1, facts), *[(called, 0, None, facts)] * (len(same) - 1)]
        )


def test_so_are_those_of_its_sections(finished):
    for table in ("captions", "tags"):
        assert finished.run.rows(table, "count(DISTINCT image_id)") == [(10,)]
        columns = ", ".join(name for name in TABLES[table].schema.names if name not in OWN)
        first, second = (
            finished.run.rows(table, columns, f"image_uri LIKE '%/{name}.png'") for name in ("1", "1 again")
        )
        assert first == second != []


def test_the_fault_of_an_image_is_that_of_its_copy(finished):
    rows = finished.run.rows("dead_letters", "class, attempts, copy_of IS NOT NULL, billed_units, http_status")
    assert sorted(rows, key=repr) == [
        ("invalid_image", 0, False, None, None),
        ("invalid_image", 0, False, None, None),
        ("rejected_image", 0, True, None, 400),
        ("rejected_image", 1, False, 1, 400),
    ]


def test_the_accounts_count_them_as_analyzed_and_not_as_billed(finished):
    manifest = finished.run.manifest
    assert {name: number for name, number in manifest["conservation"].items() if number} == {
        "input": 14,
        "analyzed": 10,
        "dead_letters": 4,
    }
    assert manifest["copies"] == 4
    assert manifest["cost"]["transactions"] == {"caption": 7, "tags": 7}
    assert manifest["cost"]["reported_units"] == finished.stats["billed"] == 7
    assert "copies: 4 images with the bytes of another took its answer, without a call" in finished.run.out


def test_the_view_of_the_runs_and_the_report_say_so(finished, capsys):
    assert main(["sql", str(finished.run.output), "SELECT copies, transactions FROM runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"copies": 4, "transactions": 14}]
    cost = Page(finished.run.output).data["cost"]
    assert (cost["copies"], cost["transactions"]) == (4, [["caption", 7], ["tags", 7]])


def test_what_is_known_of_a_copy_names_the_image_that_was_called(finished, capsys):
    ((uri, called),) = finished.run.rows(
        "images", "image_uri, copy_of", "copy_of IS NOT NULL AND image_uri LIKE '%/1%'"
    )
    assert main(["show", str(finished.run.output), uri]) == 0
    assert f"answered (caption, tags), as image {called}, of the same bytes, model" in capsys.readouterr().out


def test_where_the_first_one_fails_the_next_one_calls_itself(emulator, run, pictures, make_picture, tmp_path):
    """Of three copies the first call fails, for no fault of theirs, while others are answered."""
    emulator.set_faults(LATENCY | {"rules": [{"match": {"width": WIDTH, "first": 1}, "fault": "internal"}]})
    folder = pictures(6)[0].parent
    for number in range(3):
        make_picture(folder / f"copy-{number}.png", 0, WIDTH)
    finished = run("--images", folder / "*.png", "--max_attempts", "1")
    assert finished.manifest["conservation"]["analyzed"] == 8
    assert finished.rows("dead_letters", "class, attempts, copy_of") == [("service_error", 1, None)]
    assert emulator.stats()["calls"] in (8, 9), "the third may have called meanwhile"


def test_each_key_has_the_answer_of_its_own_image(emulator, make_picture, tmp_path):
    emulator.set_faults(LATENCY)
    uris = [str(make_picture(tmp_path / f"{number}.png", 0)) for number in range(3)]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        outcomes = (
            pipeline
            | beam.Create(list(enumerate([*uris, uris[0]])))
            | AnalyzeImages(AnalyzeRequest(features="tags"), emulator.url, keyed=True)
        )
        told = outcomes["analyzed"] | beam.MapTuple(lambda key, answer: f"{key} {answer.image_uri} {answer.attempts}")
        told | beam.io.WriteToText(str(tmp_path / "told"), num_shards=1)
    (told,) = tmp_path.glob("told*")
    rows = [line.split() for line in sorted(told.read_text().splitlines())]
    assert [uri for _, uri, _ in rows] == [*uris, uris[0]]
    assert sum(int(attempts) for _, _, attempts in rows[:3]) == emulator.stats()["calls"] == 1
