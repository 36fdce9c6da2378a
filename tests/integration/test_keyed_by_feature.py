"""Keyed images in a run's folder: what is asked is what no answer is held of, and one answer comes out."""

import json

import apache_beam as beam
import pytest

from image_analysis_beam.schemas import TABLES, flatten
from image_analysis_beam.transforms import (
    AnalyzeImages,
    AnalyzeRequest,
    CallSettings,
    RecordsToTables,
    WriteRun,
    start_run,
)
from image_analysis_beam.transforms.write_run import facts_of_now

IMAGES = 4
ALL = "caption,tags,objects"
FAST = CallSettings(requests_per_second=2000)
FOUND = []


def note(found):
    FOUND.append(found)


@pytest.fixture
def keyed(emulator, pictures, tmp_path):
    """`keyed(features, …)`: a run over the images, each under two keys; its outcomes by key, and what it asked.

    `of`: how many images. `commits`: it writes tables and a manifest; else it ends as if it was killed.
    """
    uris = list(map(str, pictures(IMAGES, width=100)))
    undecided = {}

    def keyed(features, output="out", of=IMAGES, rules=(), commits=False, **options):
        keys = sorted((uri, copy) for uri in uris[:of] for copy in "ab")
        emulator.reset()
        emulator.set_faults({"rules": list(rules)})
        request, folder = AnalyzeRequest(features=features), str(tmp_path / output)
        run_id = start_run(folder, request=request, take_over=undecided.pop(folder, "")).run_id
        settled = {"output": folder, "run_id": run_id, "error_handling": {"output": "failures"}}
        if not commits:
            undecided[folder] = run_id
        FOUND.clear()
        with beam.Pipeline(runner="FnApiRunner") as p:
            images = p | beam.Create([(key, key[0]) for key in keys])
            calls = images | AnalyzeImages(request, emulator.url, settings=FAST, keyed=True, **settled, **options)
            (calls["analyzed"], calls["failures"]) | beam.Flatten() | "Note" >> beam.Map(note)
            if commits:
                answers = calls["analyzed"] | beam.Filter(lambda pair: pair[0][1] == "a") | beam.Values()
                tables = answers | RecordsToTables() | "Tables" >> beam.Values()
                number = tables | beam.Map(lambda table: {"input": table.num_rows})
                written = {"answers": (tables,), "counts": (number, calls["stats"])}
                written | WriteRun(folder, run_id, facts_of_now()) | "NoteManifest" >> beam.Map(note)
        outcomes, manifests = ([each for each in FOUND if type(each) is kind] for kind in (tuple, dict))
        assert sorted(key for key, _ in outcomes) == keys
        return outcomes, emulator.stats()["asked"], *manifests

    return keyed


def rows_of(outcomes):
    """The rows of all section tables, by table, but for what is of the call."""
    answers = [answer for (_, copy), answer in sorted(outcomes) if copy == "a"]
    tables = flatten(TABLES["responses"].to_table(answers)).tables
    return {
        name: tables[name].drop_columns(["run_id", "fingerprint"]).to_pylist() for name in tables if name != "images"
    }


def test_what_is_held_is_not_asked_again(keyed):
    assert keyed("caption,objects")[1] == {"caption,objects": IMAGES}
    assert keyed("objects")[1] == {}
    more, asked = keyed(ALL)
    assert asked == {"tags": IMAGES}
    again, asked = keyed(ALL)
    assert asked == {}
    at_once, asked = keyed(ALL, output="at_once")
    assert asked == {ALL: IMAGES}
    for (_, answer), (_, whole) in zip(sorted(more), sorted(at_once), strict=True):
        assert json.loads(answer.body) == json.loads(whole.body)
        assert (answer.features, answer.fingerprint) == (whole.features, whole.fingerprint)
    assert rows_of(more) == rows_of(again) == rows_of(at_once)


def test_a_commit_has_an_answer_of_two_once_and_what_its_second_call_cost(keyed):
    keyed("caption,objects", commits=True)
    *_, manifest = keyed(ALL, commits=True)
    assert manifest["calls"]["attempts"] == IMAGES
    assert manifest["cost"]["transactions"] == {"tags": IMAGES}
    assert {name: manifest["tables"][name]["rows"] for name in ("responses", "images", "captions")} == {
        "responses": IMAGES,
        "images": IMAGES,
        "captions": IMAGES,
    }
    assert manifest["tables"]["tags"]["rows"] > IMAGES
    assert keyed(ALL)[1] == {}


def test_a_commit_without_a_plan_leaves_what_others_have_journalled(keyed):
    assert keyed("tags")[1] == {"tags": IMAGES}
    assert keyed("tags", of=1, commits=True)[1] == {}
    assert keyed("tags")[1] == {}


def test_what_is_missing_and_fails_is_the_outcome(keyed):
    keyed("caption,objects")
    for asked in ({"tags": IMAGES}, {}):
        outcomes, calls = keyed(ALL, rules=[{"fault": "image_format"}])[:2]
        assert {outcome.fault_class for _, outcome in outcomes} == {"rejected_image"}
        assert calls == asked
    outcomes, calls = keyed("caption")
    assert ({outcome.table for _, outcome in outcomes}, calls) == ({"responses"}, {})


def test_answers_to_other_pixels_are_not_put_together(keyed):
    """100 pixels, or 64: boxes of the one are not boxes of the other."""
    assert keyed("caption,read")[1] == {"caption,read": IMAGES}
    assert keyed(ALL, fit=64)[1] == {ALL: IMAGES}
    fitted, asked = keyed(ALL + ",people", fit=64)
    assert asked == {"people": IMAGES}
    at_once, asked = keyed(ALL + ",people", fit=64, output="at_once")
    assert asked == {ALL + ",people": IMAGES}
    assert rows_of(fitted) == rows_of(at_once)
    assert keyed("caption,tags")[1] == {}, "one answer has both"
    assert keyed("caption,read,people")[1] == {"people": IMAGES}
