"""An answer is held per feature: what is asked of an image is what no answer is held of."""

import json

import pytest

from image_analysis_beam.schemas import TABLES

SECTIONS = {name: table for name, table in TABLES.items() if table.kind == "section" and name != "images"}
OF_THE_CALL = ("run_id", "fingerprint")
IMAGES = 20
ALL = "caption,tags,objects"


@pytest.fixture
def asked(emulator, run, pictures):
    """`asked(features, …)`: a run over the images that ends well; what it asked of how many."""
    folder = pictures(IMAGES)[0].parent

    def asked(features, *flags):
        emulator.reset()
        finished = run("--images", folder / "*.png", *flags, features=features)
        assert finished.code == 0, finished.err
        return finished, emulator.stats()["asked"]

    return asked


def test_what_is_held_is_not_asked_again(asked, tmp_path):
    assert asked("caption,tags")[1] == {"caption,tags": IMAGES}
    again, calls = asked("tags")
    assert (calls, again.manifest["skipped"]) == ({}, {"answered": IMAGES})
    more, calls = asked(ALL)
    assert calls == {"objects": IMAGES}
    accounts = more.manifest["conservation"]
    assert (accounts["input"], accounts["analyzed"]) == (IMAGES, IMAGES)
    at_once, calls = asked(ALL, "--output", tmp_path / "at_once")
    assert calls == {ALL: IMAGES}
    for name, table in SECTIONS.items():
        columns = ", ".join(f'"{c.name}"' for c in table.columns if c.name not in OF_THE_CALL)
        assert sorted(more.rows(name, columns)) == sorted(at_once.rows(name, columns)), name
    assert asked(ALL)[1] == {}
    anew, calls = asked("tags", "--redrive", "everything")
    assert (calls, anew.manifest["conservation"]["analyzed"]) == ({"tags": IMAGES}, IMAGES)


def test_options_that_do_not_bear_on_a_feature_do_not_matter(asked):
    assert asked("tags,smartCrops", "--smartcrops_aspect_ratios", "0.9")[1] == {"tags,smartCrops": IMAGES}
    assert asked("tags,smartCrops", "--smartcrops_aspect_ratios", "1.2")[1] == {"smartCrops": IMAGES}
    assert asked("tags,people", "--language", "es")[1] == {"tags,people": IMAGES}
    assert asked("tags,people", "--language", "fr")[1] == {"tags": IMAGES}
    assert asked("tags")[1] == {}


def test_the_plan_says_what_is_asked_and_what_is_saved(asked, run, pictures):
    asked("caption,tags", "--max_redrives", "0")
    folder = pictures(IMAGES + 10)[0].parent
    flags = ["--images", folder / "*.png"]
    planned = json.loads(run(*flags, "--json", command="plan", features=ALL).out)
    assert planned["why"] == {"more": IMAGES, "new": 10}
    assert planned["asked"] == {"caption": 10, "tags": 10, "objects": IMAGES + 10}
    assert planned["held"] == {"caption": IMAGES, "tags": IMAGES}
    assert (planned["cost"]["amount"], planned["cost"]["saved"]) == (0.055, 0.05)
    told = run(*flags, command="plan", features=ALL).out
    assert "50 transactions (caption 10, tags 10, objects 30)" in told
    assert "40 transactions (caption 20, tags 20) are saved, about 0.05 USD" in told


def test_faults_of_the_image_are_known_whatever_is_asked(emulator, run, pictures):
    pictures(10)
    folder = pictures(3, width=77)[0].parent
    emulator.set_faults({"rules": [{"match": {"width": 77}, "fault": "image_format"}]})
    assert run("--images", folder / "*.png", features="tags").manifest["dead_letters"] == {"rejected_image": 3}
    assert run("--images", folder / "*.png", features="caption").manifest["skipped"] == {"known_bad": 3}
    assert emulator.stats()["calls"] == 10 + 3 + 10
