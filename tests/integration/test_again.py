"""Every bundle run again, as an engine that tries once more would: it pays nothing, and the accounts agree."""

from collections import Counter

import pytest

AGAIN = "--direct_runner_bundle_repeat"


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.long)])
def test_a_batch_that_is_run_again_pays_nothing(emulator, run, pictures, times):
    folder = pictures(100)[0].parent
    finished = run("--images", folder / "*.png", AGAIN, times, rate="50")
    assert finished.code == 0, finished.err
    calls = finished.manifest["calls"]
    assert emulator.stats()["calls"] == calls["attempts"] == 100
    assert finished.manifest["conservation"]["analyzed"] == 100
    assert finished.rows("images", "count(*), count(distinct image_id)") == [(100, 100)]
    assert finished.manifest["attempts"] == {"answered": 100}
    assert calls["processes"] == 1
    waited = sum(finished.manifest["limited_by"].values())
    assert 1 <= calls["throttled_seconds"] <= waited <= len(finished.manifest["timeline"]) + 1


@pytest.mark.parametrize(
    ("fault", "attempts", "flags"),
    [
        ("reset_midway", 1, ["--max_cost", 0.003]),
        ("reset_midway", 2, ["--max_calls", 3]),
        pytest.param("reset_midway", 2, [], marks=pytest.mark.long),
        ("unauthorized", 1, []),
    ],
)
def test_what_is_deferred_is_counted_for_every_try_and_not_called_again_if_it_may_be_billed(
    emulator, run, pictures, fault, attempts, flags
):
    folder = pictures(3)[0].parent
    emulator.set_faults({"rules": [{"fault": fault}]})
    finished = run("--images", folder / "*.png", "--outage_patience", 1, *flags, AGAIN, 1)
    stats, manifest = emulator.stats(images=True), finished.manifest
    assert sum(manifest["deferred"].values()) == 3, finished.err
    assert manifest["calls"]["attempts"] == stats["calls"]
    assert Counter(manifest["cost"]["maybe_billed"])["tags"] == stats["billed"] <= 3 * attempts
    assert max(stats["images"].values()) <= attempts
    assert manifest["calls"]["processes"] == 1
    reasons = {row for (row,) in finished.rows("deferred", "DISTINCT reason")}
    assert len(manifest["closed"]) == sum(f": {reason}, " in name for name in manifest["closed"] for reason in reasons)
