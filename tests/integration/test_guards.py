"""What stops the spending: a budget of calls, money or time, and too many dead letters. Every image is in one place."""

import json

import pytest

PROCESSES = ("--direct_running_mode", "multi_processing", "--direct_num_workers", "2")
LOST = 74


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
    flags = ("--images", folder / "*.png", "--max_cost", "0.0379", *PROCESSES)
    planned = json.loads(run(*flags, "--json", command="plan", features="tags,caption").out)
    assert (planned["to_call"], planned["over_budget"], planned["cost"]["amount"]) == (15, 25, 0.0375)
    assert planned["cost"]["worst_case"] == 0.0375
    first = run(*flags, features="tags,caption")
    assert first.code == 3
    assert first.manifest["deferred"] == {"over_budget": 25}
    assert "over_budget: --max_cost 0.0379 USD was reached; run the same command again to go on" in first.err
    assert emulator.stats()["billed"] == emulator.stats()["calls"] == 15, "also those whose answer was lost"
    cost = first.manifest["cost"]
    assert cost["transactions"].get("tags", 0) + cost["maybe_billed"].get("tags", 0) == 15
    check_accounts(first, 40)

    left, runs = 40 - first.manifest["conservation"]["analyzed"], 1
    while (finished := run(*flags, features="tags,caption")).code == 3:
        emulator.set_faults({"rules": []})
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
