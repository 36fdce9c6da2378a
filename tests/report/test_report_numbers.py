"""One folder with faults, a run that was taken over and two requests: page, `sql`, `plan`, manifests say the same."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.manifests import read_manifests
from image_analysis_beam.transforms.files.local import LocalStore
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_runs
from image_analysis_beam.transforms.prices import money
from stand_ins.report_page import Page

REFUSED, MALFORMED, AWAY = 71, 72, 73
RULES = [
    {"match": {"width": REFUSED}, "fault": "image_format"},
    {"match": {"width": MALFORMED}, "fault": "wrong_types"},
    {"match": {"width": AWAY}, "fault": "internal"},
]
GOOD, OF_EACH = 20, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_picture):
    """`caption,tags`, which dies before its commit; then `tags,read`, which takes it over, with a budget."""
    base = tmp_path_factory.mktemp("numbers")
    pictures = [make_picture(base / f"{index}.png", index) for index in range(GOOD)]
    bad = [make_picture(base / f"{w}-{i}.png", i, w) for w in (REFUSED, MALFORMED, AWAY) for i in range(OF_EACH)]
    Image.new("RGB", (20, 20)).save(base / "small.png")
    lines = [*pictures[:9], *bad, base / "small.png", base / "none.png", pictures[0], "ftp://a/b", *pictures[9:]]
    (base / "uris.txt").write_text("\n".join(map(str, lines)))
    flags = ["--input", str(base / "uris.txt"), "--output", str(base / "out"), "--max_attempts", "2", "--quiet"]
    with Emulator(key="k") as emulator, pytest.MonkeyPatch.context() as environment:
        environment.setenv("VISION_ENDPOINT", emulator.url)
        environment.setenv("VISION_KEY", "k")
        emulator.set_faults({"rules": RULES})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LocalStore, "move", lambda *_: (_ for _ in ()).throw(OSError("full")))
            assert main(["run", *flags, "--features", "caption,tags"]) == 3
        again = [*flags, "--features", "tags,read"]
        assert main(["run", *again, "--max_calls", "10"]) == 3
        yield base / "out", again[:-3] + again[-2:], [*map(str, lines)]


@pytest.fixture(scope="module")
def page(folder):
    return Page(folder[0])


@pytest.fixture
def asked(folder, capsys):
    """`asked(query)`: the rows that `sql` prints."""

    def ask(query):
        capsys.readouterr()
        assert main(["sql", str(folder[0]), query, "--json"]) == 0
        return [tuple(row.values()) for row in json.loads(capsys.readouterr().out)]

    return ask


@pytest.fixture(scope="module")
def manifest(folder):
    layout = Layout(str(folder[0]))
    return list(read_manifests(layout, committed_runs(layout)).values())[-1]


def test_the_folder_has_all_that_is_to_be_told_apart(manifest, asked):
    assert manifest["conservation"]["recovered_extra"] > 0
    assert len(asked("select distinct fingerprint from raw.images")) == 2
    assert len(asked("select distinct place, reason from failures")) >= 3


def test_the_verdict_is_that_of_the_views(page, asked, folder):
    verdict, (_, _, lines) = page.data["verdict"], folder
    places = dict(asked("select place, count(distinct image_id) from outcomes group by place"))
    assert verdict["images"] == sum(places.values()) == len(set(lines))
    assert verdict["answered"] == places["answered"]
    assert verdict["need"] == places["dead_letter"] + places["deferred"] == asked("select count(*) from failures")[0][0]
    assert verdict["answered"] + verdict["need"] == verdict["images"]
    assert verdict["answers"] == verdict["emulated"] == asked("select count(*) from images")[0][0]
    assert page.data["sheet"]["of"] == len(page.images) == verdict["images"]


def test_the_accounts_are_those_of_the_manifest(page, manifest, asked):
    accounts = manifest["conservation"]
    assert {name: number for name, number, _ in page.data["outcomes"]} == {
        name: accounts[name] for name in ("analyzed", "dead_letters", "deferred", "skipped", "duplicates")
    }
    assert (page.data["verdict"]["input"], page.data["verdict"]["recovered"]) == (
        accounts["input"],
        accounts["recovered_extra"],
    )
    (row,) = page.data["runs"]["rows"]
    columns = ", ".join(name for name in row if name not in ("started_at", "amount"))
    assert tuple(row[name] for name in columns.split(", ")) == asked(f"select {columns} from runs")[0]


def test_what_needs_a_person_is_what_is_open(page, asked):
    told = {(group["place"], group["reason"]): group["number"] for group in page.data["needs"]}
    rows = asked("select place, reason, count(*), any_value(what_to_do) from failures group by place, reason")
    assert told == {(place, reason): number for place, reason, number, _ in rows}
    assert {group["reason"]: group["what_to_do"] for group in page.data["needs"]} == {row[1]: row[3] for row in rows}
    listed = asked(
        "select coalesce(uri, raw), list, position from outcomes where place <> 'answered' and not is_duplicate"
    )
    assert sorted(tuple(uri) for group in page.data["needs"] for uri in group["uris"]) == sorted(listed)


def test_facets_are_the_newest_answers(page, asked):
    rows = dict(asked("select name, count(*)::int from tags group by name"))
    assert page.names("tags") == rows
    assert sum(page.data["facets"]["confidences"]["captions"]) == asked("select count(*) from captions")[0][0]
    assert page.data["facets"]["text"]["asked"] == asked("select count(*) from answers where feature = 'read'")[0][0]
    shown = sum(len(image.get("t", [])) for image in page.images)
    assert shown == sum(rows.values())


def test_the_cost_is_the_manifests(page, manifest, asked):
    told, cost = page.data["cost"], manifest["cost"]
    assert dict(told["transactions"]) == cost["transactions"]
    assert told["amount"] == money(cost["amount"]) == money(asked("select sum(amount) from cost")[0][0])
    assert cost["recovered"]
    assert told["recovered"] is not None
    assert told["reported_units"] == cost["reported_units"]


def test_the_pace_is_the_manifests(page, manifest):
    steps = page.data["pace"]["steps"]
    assert sum(step[1] for step in steps) == manifest["attempts"]["answered"]
    assert sum(sum(step[1:4]) for step in steps) == manifest["calls"]["attempts"]
    assert dict(page.data["pace"]["attempts"]) == manifest["attempts"]


def test_what_is_called_again_is_what_plan_calls(page, folder, capsys):
    groups = page.data["needs"]
    again = sum(group["number"] for group in groups if group["next"][0].startswith("called"))
    assert main(["plan", *folder[1], "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    deferred = sum(group["number"] for group in groups if group["place"] == "deferred")
    assert planned["why"] == {"deferred_before": deferred, "redriven": again - deferred}
