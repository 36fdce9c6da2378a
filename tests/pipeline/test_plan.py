"""`plan` says what `run` then does, and calls nothing."""

import json
from datetime import datetime, timedelta, timezone

import pytest


@pytest.fixture
def halfway(emulator, run, pictures, tmp_path):
    """30 pictures: 8 answered, 2 retryable and 1 permanent dead letter, 5 deferred, 14 new; and a duplicate."""
    folder = pictures(8)[0].parent
    emulator.set_faults(
        {"rules": [{"match": {"width": 70}, "fault": "internal"}, {"match": {"width": 71}, "fault": "image_format"}]}
    )
    pictures(2, width=70)
    pictures(1, width=71)
    assert run("--images", folder / "*.png", "--max_attempts", "1").code == 0
    pictures(5, first=8)
    assert run("--images", folder / "*.png", "--redrive", "none", "--max_calls", "0").code == 3
    pictures(14, first=13)
    emulator.reset()
    emulator.set_faults({"rules": []})
    return ["--images", folder / "*.png", "--images", folder / "64-00000.png"]


def plan(run, *flags, features="tags,caption"):
    return json.loads(run(*flags, "--json", command="plan", features=features).out)


def test_the_plan_is_what_then_happens(emulator, run, halfway):
    planned = plan(run, *halfway, "--requests_per_second", "10", features="tags")
    assert emulator.stats()["calls"] == 0
    assert planned["input"] == 31
    assert planned["to_call"] == 21
    assert planned["why"] == {"deferred_before": 5, "new": 14, "redriven": 2}
    assert planned["skipped"] == {"answered": 8, "known_bad": 1}
    assert planned["duplicates"] == 1
    assert planned["seconds"] == 2.1
    finished = run(*halfway)
    assert emulator.stats()["calls"] == planned["to_call"]
    assert finished.manifest["skipped"] == planned["skipped"]


def signed(seconds, number):
    ends_at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return [f"https://h/{seconds}-{n}.jpg?sv=1&sr=b&sp=r&se={ends_at:%Y-%m-%dT%H:%M:%SZ}&sig=s" for n in range(number)]


def test_signed_urls_that_have_expired_or_will_before_their_turn(emulator, run, listed):
    uris = [*signed(-5, 3), *signed(1000, 4), *signed(6000, 5), "https://h/a.jpg"]
    flags = ["--input", listed(uris)]
    planned = plan(run, *flags, "--requests_per_second", "0.005", features="tags")
    assert [planned[name] for name in ("to_call", "expired", "expiring", "seconds")] == [10, 3, 4, 2000]
    planned = plan(run, *flags, features="tags")
    assert [planned[name] for name in ("to_call", "expired", "expiring", "seconds")] == [10, 3, 4, None]
    told = run(*flags, command="plan").out
    assert "10 would be called\n" in told
    assert "3 would fail: their signed URLs have expired" in told
    assert "4 signed URLs expire within an hour" in told


def test_cost_is_calls_times_features_times_price(run, halfway, tmp_path):
    planned = plan(run, *halfway)
    assert planned["to_call"] == 29, "of one the image is known to be bad, whatever is asked"
    assert planned["transactions"] == 29 + 21, "tags of eight are held"
    indicative = {"currency": "USD", "source": "indicative prices"}
    assert planned["cost"] == {"amount": 0.0645, "worst_case": 0.129, "saved": 0.008, "recovered": 0, **indicative}
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"currency": "EUR", "tags": 10, "caption": 0}))
    mine = plan(run, *halfway, "--prices", prices, "--ambiguous_retries", "0")
    expected = {"amount": 0.21, "worst_case": 0.21, "saved": 0.08, "recovered": 0}
    assert mine["cost"] == {**expected, "currency": "EUR", "source": "your prices"}
    assert plan(run, *halfway, "--model_name", "products", features=None)["asked"] == {"custom_model": 29}


def test_the_budget_and_the_workers_are_in_the_plan(run, halfway):
    planned = plan(
        run,
        *(*halfway, "--max_calls", "7", "--requests_per_second", "10"),
        *("--direct_running_mode", "multi_processing", "--direct_num_workers", "4"),
        features="tags",
    )
    assert (planned["to_call"], planned["over_budget"]) == (7, 14)
    assert (planned["worker_processes"], planned["requests_per_second_per_process"]) == (4, 2.5)


def test_the_text_reads_well_and_needs_no_endpoint(run, halfway, monkeypatch):
    monkeypatch.delenv("VISION_ENDPOINT")
    monkeypatch.delenv("VISION_KEY")
    finished = run(*halfway, command="plan")
    assert finished.code == 0
    for words in (
        "31 images in the input",
        "21 would be called",
        "9 would be skipped",
        "8 answered",
        "indicative prices",
    ):
        assert words in finished.out


@pytest.mark.parametrize(
    ("text", "words"), [("{", "cannot be read"), ('{"colour": 1}', "known are"), ('{"tags": -1}', "tags -1")]
)
def test_bad_prices_are_refused(run, halfway, tmp_path, text, words):
    (tmp_path / "prices.json").write_text(text)
    refused = run(*halfway, "--prices", tmp_path / "prices.json", command="plan")
    assert refused.code == 2
    assert words in refused.err
