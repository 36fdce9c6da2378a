"""The end of a list: failing images do not hold a run, and an outage is told from them by fresh answers."""

import time

import pytest

POISON = 77
SOON = 60  # seconds, also on a machine that has much else to do; an outage is waited for five times as long


@pytest.fixture
def timed(run):
    """`timed(…)`: a finished run, and its seconds."""

    def command(*arguments, **options):
        started = time.monotonic()
        finished = run(*arguments, **options)
        return finished, time.monotonic() - started

    return command


def poisoned(fault):
    return {"latency": {"seconds": 0.05}, "rules": [{"match": {"width": POISON}, "fault": fault}]}


@pytest.mark.parametrize("fault", ["internal", "reset", pytest.param("short_body", marks=pytest.mark.long)])
def test_a_few_images_that_always_fail_end_as_dead_letters_soon(emulator, timed, pictures, fault):
    """With no rate given, as it is when nobody knows the limit."""
    folder = pictures(60)[0].parent
    poison = {str(path) for path in pictures(3, width=POISON)}
    emulator.set_faults(poisoned(fault))
    finished, seconds = timed("--images", folder / "*.png", "--requests_per_second", "200")
    assert finished.code == 0, finished.err
    assert finished.manifest["conservation"]["analyzed"] == 60
    assert {uri for (uri,) in finished.rows("dead_letters", "image_uri", "retryable")} == poison
    assert seconds < SOON


def test_what_nobody_can_tell_is_deferred_and_the_next_run_tells(emulator, timed, pictures):
    """A single call at a time: nobody is answered after the failing one, which is the last of the list."""
    good = pictures(1)
    emulator.set_faults(poisoned("internal"))
    flags = ["--max_in_flight", "1", "--max_attempts", "2"]
    lists = good[0].parent / "*.png"
    first, _ = timed("--images", lists, *flags)
    assert first.code == 0
    pictures(1, width=POISON)
    second, seconds = timed("--images", lists, *flags)
    assert (second.code, second.manifest["deferred"]) == (3, {"outage": 1}), "the service never answered in this run"
    assert seconds < SOON
    pictures(1, first=1)
    third, _ = timed("--images", lists, *flags)
    assert third.manifest["conservation"]["deferred"] + third.manifest["conservation"]["dead_letters"] == 1
    fourth, _ = timed("--images", lists, *flags)
    assert (fourth.code, fourth.manifest["conservation"]["deferred"]) == (0, 0)


def test_a_dead_endpoint_defers_a_short_list(emulator, timed, pictures):
    emulator.set_faults({"rules": [{"match": {}, "fault": "unavailable"}]})
    finished, seconds = timed("--images", pictures(2)[0].parent / "*.png")
    assert (finished.code, finished.manifest["deferred"]) == (3, {"outage": 2})
    assert "run the same command again when the service is well" in finished.err
    assert seconds < SOON


def test_a_service_that_goes_away_at_the_end_of_a_list_is_no_fault_of_its_last_images(emulator, timed, pictures):
    emulator.set_faults({"latency": {"seconds": 0.05}, "outage": {"after_calls": 36, "seconds": 3600}})
    in_order = ["--requests_per_second", "20"]
    finished, seconds = timed("--images", pictures(40)[0].parent / "*.png", *in_order)
    accounts = finished.manifest["conservation"]
    assert finished.code == 3
    assert (accounts["analyzed"], accounts["dead_letters"], accounts["deferred"]) == (36, 0, 4)
    assert "it tells whether the images or the service are at fault" in finished.err
    assert seconds < SOON
