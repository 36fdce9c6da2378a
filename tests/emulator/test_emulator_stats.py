"""The counts: what arrived, what was accepted and when, what would have been billed."""

from __future__ import annotations

import hashlib
import threading

from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.emulator.stats import Stats

from .conftest import Caller


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 0.6), max_size=80))
def test_the_maximum_of_accepted_calls_in_any_second_is_exact(gaps):
    clock = Clock()
    stats = Stats(clock)
    times = []
    for gap in gaps:
        clock.now += gap
        stats.accept(clock.now)
        times.append(clock.now)
    brute = max((sum(end - 1 < at <= end for at in times) for end in times), default=0)
    assert stats.most_accepted_in_1s == brute
    assert sum(second.accepted for second in stats.seconds.values()) == len(times)


def test_seconds_since_the_start():
    clock = Clock()
    stats = Stats(clock)
    for now, outcome in ((100.2, "200"), (100.9, "429"), (102.1, "200")):
        clock.now = now
        call = stats.arrive()
        call.outcome = outcome
        stats.finish(call)
    report = stats.report(with_images=False)
    assert {second: row["arrivals"] for second, row in report["per_second"].items()} == {"0": 2, "2": 1}
    assert report["per_second"]["0"]["throttled"] == 1
    assert report["by_status"] == {"200": 2, "429": 1}


def test_calls_in_flight_survive_a_reset():
    stats = Stats(Clock())
    call = stats.arrive()
    stats = stats.fresh()
    assert (stats.calls, stats.in_flight) == (0, 1)
    stats.finish(call)
    assert stats.in_flight == 0


def test_a_call_is_billed_once():
    stats = Stats(Clock())
    call = stats.arrive()
    stats.bill(call)
    stats.bill(call)
    assert stats.billed == 1


def test_calls_by_image(caller: Caller, picture: bytes):
    for body in (picture, picture, picture + b"\0"):
        caller.analyze(body)
    stats = caller.emulator.stats(images=True)
    assert (stats["calls"], stats["distinct_images"], stats["most_calls_for_one_image"]) == (3, 2, 2)
    assert stats["images"][hashlib.sha256(picture).hexdigest()] == 2
    assert "images" not in caller.emulator.stats()


def test_what_is_billed(caller: Caller, picture: bytes):
    caller.analyze(picture)
    caller.analyze(b"no picture")
    caller.post(picture, key="wrong", features="tags")
    caller.post(picture, api_version="2023-06-01-preview", features="tags")
    stats = caller.emulator.stats()
    assert stats["by_status"] == {"200": 1, "400": 1, "401": 1, "410": 1}
    assert stats["billed"] == 2
    assert stats["per_second"]["0"]["accepted"] == 3  # all but the wrong key


def test_peak_of_calls_in_flight(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"latency": {"seconds": 2}})
    threads = [threading.Thread(target=lambda: Caller(caller.emulator).analyze(picture)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = caller.emulator.stats()
    assert stats["peak_in_flight"] == 5
    assert stats["in_flight"] == 0


def test_control_calls_are_not_counted(caller: Caller):
    caller.emulator.set_faults({})
    assert caller.emulator.stats()["calls"] == 0
