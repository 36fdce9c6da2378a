"""Every bundle run again, as an engine that tries once more would: it pays nothing, and the accounts agree."""

import pytest

AGAIN = "--direct_runner_bundle_repeat"


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.long)])
def test_a_batch_that_is_run_again_pays_nothing(emulator, run, pictures, times):
    folder = pictures(400)[0].parent
    finished = run("--images", folder / "*.png", AGAIN, times)
    assert finished.code == 0, finished.err
    assert emulator.stats()["calls"] == finished.manifest["calls"]["attempts"] == 400
    assert finished.manifest["conservation"]["analyzed"] == 400
    assert finished.rows("images", "count(*), count(distinct image_id)") == [(400, 400)]
    assert finished.manifest["attempts"] == {"answered": 400}


def test_calls_of_what_is_deferred_are_counted_for_every_try(emulator, run, pictures):
    folder = pictures(3)[0].parent
    emulator.set_faults({"rules": [{"fault": "reset_midway"}]})
    finished = run("--images", folder / "*.png", "--outage_patience", 1, AGAIN, 1)
    assert finished.manifest["deferred"] == {"outage": 3}, finished.err
    stats = emulator.stats()
    assert finished.manifest["attempts"] == {"unanswered": stats["calls"]}
    assert set(finished.manifest["cost"]["maybe_billed"].values()) == {stats["billed"]}
