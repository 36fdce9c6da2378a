"""Threads at the gate: order, wake-ups and deadlines, with real threads and no sleeps."""

import threading
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.admission import Admission, Refused

FOREVER = float("inf")


def admission(max_in_flight=4, rate=None, patience=600.0):
    return Admission(max_in_flight, rate or 1e6, patience)


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_the_window_opens_from_one_as_answers_come():
    gate = admission(max_in_flight=3)
    assert gate.enter(FOREVER) is None
    assert gate.earliest(monotonic()) == FOREVER
    gate.answered(monotonic())
    for _ in range(2):
        assert gate.enter(FOREVER) is None
    assert gate.earliest(monotonic()) == FOREVER


def test_the_deadline_ends_a_wait():
    gate = admission()
    gate.enter(FOREVER)
    assert gate.enter(monotonic() + 0.02) is Refused.DEADLINE


def test_a_trip_wakes_everybody():
    gate = admission()
    gate.enter(FOREVER)
    results = []
    waiting = [start(lambda: results.append(gate.enter(FOREVER))) for _ in range(5)]
    gate.trip("unauthorized", "bad key")
    for thread in waiting:
        thread.join(5)
    assert results == [Refused.TRIPPED] * 5
    assert gate.tripped


def test_a_trip_ends_a_pause():
    gate = admission()
    paused = start(lambda: gate.pause(1000))
    gate.trip("unauthorized", "bad key", leaving=False)
    paused.join(5)
    assert not paused.is_alive()


@pytest.mark.parametrize(
    ("outage", "order"), [(False, ["retry", "first", "second"]), (True, ["first", "retry", "second"])]
)
def test_who_goes_first(outage, order):
    """Retries, but in an outage a new image is the better probe; when it is answered, the outage is over."""
    gate = admission(max_in_flight=1)
    gate.enter(FOREVER)
    expected, order, queued = order, [], []

    def enter(name, retry):
        gate.enter(FOREVER, retry=retry)
        order.append(name)
        gate.answered(monotonic())

    for name, retry in (("first", False), ("second", False), ("retry", True)):
        queued.append(start(lambda name=name, retry=retry: enter(name, retry)))
        while len(gate._fresh) + len(gate._retries) < len(queued):
            pass
    if outage:
        for _ in range(5):
            gate.breaker.failed(monotonic(), monotonic(), None, "service_error")
        gate.failed(monotonic(), None, "service_error")
    else:
        gate.answered(monotonic())
    for thread in queued:
        thread.join(5)
    assert order == expected


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(1, 12),
    st.lists(st.sampled_from(["answered", "throttled", "failed"]), min_size=1, max_size=40),
)
def test_no_wake_up_is_lost(max_in_flight, threads, results):
    """Whatever comes back in whatever order, every caller gets through, never more at once than the window."""
    gate = Admission(max_in_flight, None, 600.0)
    gate.pacer.rate = 1e6
    lock, at_once, peak = threading.Lock(), 0, 0
    todo = list(results)

    def work():
        nonlocal at_once, peak
        while True:
            with lock:
                if not todo:
                    return
                result = todo.pop()
            assert gate.enter(FOREVER) is None
            with lock:
                at_once += 1
                peak = max(peak, at_once)
            with lock:
                at_once -= 1
            now = monotonic()
            if result == "answered":
                gate.answered(now)
            elif result == "throttled":
                gate.throttled(now, 0.0)
                gate.pacer.rate = 1e6
            else:
                gate.failed(now, float("-inf"), "x")

    gate.breaker.answered(monotonic(), monotonic())
    workers = [start(work) for _ in range(threads)]
    for worker in workers:
        worker.join(20)
    assert not any(worker.is_alive() for worker in workers)
    assert peak <= max_in_flight


def test_waiting_for_the_pacer_is_throttled_time():
    gate = Admission(4, 25.0, 600.0)
    for _ in range(30):
        gate.enter(FOREVER)
        gate.answered(monotonic())
    assert gate.take_events().throttled_seconds == pytest.approx(1, abs=1)
    assert gate.take_events() == (0, 0)
