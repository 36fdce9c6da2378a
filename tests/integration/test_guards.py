"""What stops the spending: a budget of calls, money or time, and too many dead letters. Every image is in one place."""

import json

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings
from stand_ins.failing import FailAt

TAGS = AnalyzeRequest(features="tags")
PROCESSES = ("--direct_running_mode", "multi_processing", "--direct_num_workers", "2")
REFUSED, LOST = 71, 74
REFUSING = {"rules": [{"match": {"width": REFUSED}, "fault": "image_format"}]}
IN_FLIGHT = 4
PENDING = 2 * IN_FLIGHT  # calls of a process that may have ended without being counted yet


def check_accounts(finished, images):
    """Every image in exactly one place."""
    accounts = finished.manifest["conservation"]
    assert accounts["input"] == images
    assert sum(number for name, number in accounts.items() if name not in ("input", "recovered_extra")) == images
    newest = f"run_id = '{finished.manifest['run_id']}'"
    tables = ("images", "dead_letters", "deferred")
    ids = [image_id for table in tables for (image_id,) in finished.rows(table, "image_id", newest)]
    assert len(ids) == len(set(ids)) == images - accounts["skipped"] - accounts["duplicates"]


def test_a_budget_of_money_is_never_exceeded_and_the_next_run_goes_on(emulator, run, pictures):
    folder = pictures(20)[0].parent
    pictures(20, width=LOST)
    emulator.set_faults({"rules": [{"match": {"width": LOST, "first": 1, "per_image": True}, "fault": "reset_midway"}]})
    flags = ("--images", folder / "*.png", "--max_cost", "0.0379")
    planned = json.loads(run(*flags, *PROCESSES, "--json", command="plan", features="tags,caption").out)
    assert (planned["to_call"], planned["over_budget"], planned["cost"]["amount"]) == (15, 25, 0.0375)
    assert planned["cost"]["worst_case"] == 0.0375
    first = run(*flags, *PROCESSES, features="tags,caption")
    assert first.code == 3
    assert first.manifest["deferred"]["over_budget"] == 25
    assert "over_budget: --max_cost 0.0379 USD was reached; run the same command again to go on" in first.err
    assert emulator.stats()["billed"] == emulator.stats()["calls"] == 15, "also those whose answer was lost"
    cost = first.manifest["cost"]
    assert cost["transactions"].get("tags", 0) + cost["maybe_billed"].get("tags", 0) == 15
    check_accounts(first, 40)

    emulator.set_faults({"rules": []})
    left, runs = 40 - first.manifest["conservation"]["analyzed"], 1
    while (finished := run(*flags, features="tags,caption")).code == 3:
        runs += 1
        check_accounts(finished, 40)
        assert finished.manifest["cost"]["amount"] <= 0.0379
        left -= finished.manifest["conservation"]["analyzed"]
    assert left == finished.manifest["conservation"]["analyzed"]
    assert runs <= 4


def test_what_is_held_costs_nothing_of_the_budget(emulator, run, pictures):
    folder = pictures(10)[0].parent
    run("--images", folder / "*.png", features="caption")
    pictures(10, first=10)
    flags = ("--images", folder / "*.png", "--max_cost", "0.02", "--max_calls", "1000")
    first = run(*flags, features="caption,tags")
    transactions = first.manifest["cost"]["transactions"]
    assert transactions["tags"] > transactions["caption"], "of some only the tags were missing"
    assert first.manifest["cost"]["amount"] == pytest.approx(0.02, abs=0.0025)
    assert first.manifest["cost"]["amount"] <= 0.02
    assert "--max_calls 1000, --max_cost 0.02 USD was reached" in first.err
    check_accounts(first, 20)
    assert run(*flags, features="caption,tags").code == 0


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.long)])
def test_too_many_dead_letters_stop_the_spending(emulator, run, pictures, processes):
    images, most = 150, 10
    folder = pictures(images, width=REFUSED)[0].parent
    emulator.set_faults(REFUSING)
    flags = ("--images", folder / "*.png", "--max_dead_letters", most, "--max_in_flight", IN_FLIGHT)
    first = run(*flags, *(PROCESSES if processes == 2 else ()))
    assert first.code == 3
    dead = first.manifest["conservation"]["dead_letters"]
    assert most < dead <= processes * (most + 1 + PENDING)
    assert dead == emulator.stats()["calls"]
    assert first.manifest["deferred"] == {"too_many_dead_letters": images - dead}
    (line,) = [line for line in first.err.splitlines() if "too_many_dead_letters" in line]
    assert f"incomplete: {images - dead} images deferred, too_many_dead_letters: " in line
    assert f" images are dead letters: more than --max_dead_letters {most}; look at the dead letters" in line
    check_accounts(first, images)

    emulator.set_faults({"rules": []})
    second = run(*flags)
    assert (second.code, second.manifest["skipped"]) == (0, {"known_bad": dead})
    assert second.manifest["conservation"]["analyzed"] == images - dead
    check_accounts(second, images)


def test_a_share_is_judged_from_a_hundred_images_on(emulator, run, pictures, listed):
    good, missing = pictures(60), [f"missing{number}.png" for number in range(140)]
    few = run("--input", listed([*good[:30], *missing[:60]]), "--max_dead_letters", "1%")
    assert few.manifest["conservation"]["analyzed"] == 30, "90 images say little while there are others to call"
    assert (few.code, few.manifest["complete"], few.manifest["deferred"]) == (3, True, {})
    assert few.manifest["exit_status"] == 3, "elsewhere than here, the manifest alone tells"
    assert "too_many_dead_letters: 60 of 90, with --max_dead_letters 1%; look at the dead letters" in few.err
    flags = ("--input", listed([*good, *missing]), "--max_in_flight", IN_FLIGHT, "--redrive", "failed")
    stopped = run(*flags, "--max_dead_letters", "20 %")
    accounts = stopped.manifest["conservation"]
    assert stopped.code == 3
    assert accounts["deferred"] > 0
    assert 100 <= accounts["analyzed"] + accounts["dead_letters"] <= 100 + PENDING
    assert "more than --max_dead_letters 20 %" in stopped.err
    check_accounts(stopped, 200)
    borne = run(*flags, "--max_dead_letters", "200")
    assert borne.code == 0
    check_accounts(borne, 200)


def test_the_time_of_a_run_is_a_budget(emulator, run, pictures):
    images = 40
    folder = pictures(images)[0].parent
    emulator.set_faults({"latency": {"seconds": 60}})
    flags = ("--images", folder / "*.png", "--max_in_flight", IN_FLIGHT)
    none = run(*flags, "--max_time", "0.001s")
    assert none.code == 3
    assert none.manifest["deferred"] == {"over_budget": images}
    assert "over_budget: --max_time 0.001s was reached; run the same command again to go on" in none.err
    assert emulator.stats()["calls"] == 0
    check_accounts(none, images)
    emulator.set_faults({"latency": {"seconds": 0}})
    some = run(*flags, "--max_time", "2s", rate="2")
    assert some.code == 3
    assert some.manifest["conservation"]["deferred"] + some.manifest["conservation"]["analyzed"] == images
    assert emulator.stats()["calls"] == some.manifest["conservation"]["analyzed"] < images
    check_accounts(some, images)
    last = run(*flags, "--max_time", "1h")
    assert (last.code, last.manifest["conservation"]["deferred"]) == (0, 0)
    assert emulator.stats()["calls"] == images


def test_a_bundle_that_is_run_again_is_counted_once(emulator, pictures, tmp_path):
    number = 60
    uris = list(map(str, pictures(number, width=REFUSED)))
    emulator.set_faults(REFUSING)

    def failures_of(pipeline, most):
        analyze = AnalyzeImages(
            TAGS,
            emulator.url,
            settings=CallSettings(requests_per_second=2000, max_in_flight=IN_FLIGHT),
            batch_size=5,
            output=str(tmp_path / "out"),
            run_id="run",
            error_handling={"output": "failures"},
            max_dead_letters=most,
        )
        return (pipeline | beam.Create(uris) | analyze)["failures"]

    dying = beam.Pipeline(runner="FnApiRunner")
    failures_of(dying, number) | beam.ParDo(FailAt(number // 2))
    with pytest.raises(Exception, match="a bug downstream"):
        dying.run()
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        tables = failures_of(pipeline, number) | beam.Map(lambda failure: failure.table)
        assert_that(tables | beam.combiners.Count.PerElement(), equal_to([("dead_letters", number)]))
    assert emulator.stats()["distinct_images"] == number
