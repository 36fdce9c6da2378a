"""Threads at the gate: order, wake-ups and deadlines, with real threads and no sleeps."""

import threading
from itertools import pairwise
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.admission import Admission, Place, Refused, Waiter
from image_analysis_beam.transforms.endpoint.breaker import TAIL
from image_analysis_beam.transforms.endpoint.gate import Cause, Gate

FOREVER = float("inf")


def admission(max_in_flight=4, rate=1e6, patience=600.0, clock=monotonic):
    return Admission([Gate("https://a.example", max_in_flight, rate, patience, clock())], clock)


def earliest(gate, now):
    return gate.first(now)[0]


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_the_window_opens_from_one_as_answers_come():
    gate = admission(max_in_flight=3)
    place = gate.enter(FOREVER)
    assert earliest(gate, monotonic()) == FOREVER
    place.answered()
    for _ in range(2):
        assert isinstance(gate.enter(FOREVER), Place)
    assert earliest(gate, monotonic()) == FOREVER


def test_a_wait_longer_than_a_thread_can_wait_ends_when_it_is_told_to():
    gate, outcome = admission(rate=1e-300), []
    waiting = start(lambda: outcome.append(gate.enter(FOREVER)))
    gate.trip("interrupted", "")
    waiting.join(30)
    assert outcome == [Refused.TRIPPED]


def stumble(place, reports):
    if reports:
        place.answered()
    raise RuntimeError("a bug")


@pytest.mark.parametrize("reports", [True, False])
def test_a_place_is_given_back_once_whatever_happens(reports):
    gate = admission(max_in_flight=1)
    with pytest.raises(RuntimeError), gate.enter(FOREVER) as place:
        stumble(place, reports)
    assert isinstance(gate.enter(monotonic() + 5), Place)
    assert gate.enter(monotonic() + 0.02) is Refused.DEADLINE


def test_a_probe_that_ends_in_an_error_makes_way_for_another():
    gate = admission()
    gate.gates[0].breaker.answered(monotonic(), monotonic())
    began = monotonic() - 2
    for _ in range(5):
        gate.gates[0].breaker.failed(began, began, None, "service_error")
    for _ in range(2):
        with pytest.raises(RuntimeError), gate.enter(FOREVER) as place:
            stumble(place, reports=False)


def test_the_deadline_ends_a_wait():
    gate = admission()
    gate.enter(FOREVER)
    assert gate.enter(monotonic() + 0.02) is Refused.DEADLINE


def test_a_trip_wakes_everybody():
    gate = admission()
    place = gate.enter(FOREVER)
    results = []
    waiting = [start(lambda: results.append(gate.enter(FOREVER))) for _ in range(5)]
    place.trip("unauthorized", "bad key")
    for thread in waiting:
        thread.join(30)
    assert results == [Refused.TRIPPED] * 5
    assert gate.is_closed


def test_a_trip_ends_a_pause():
    gate = admission()
    paused = start(lambda: gate.pause(1000))
    gate.trip("unauthorized", "bad key")
    paused.join(30)
    assert not paused.is_alive()


def test_a_waiter_that_gives_up_frees_its_calls_and_no_others():
    gate, gone, waiting = admission(), Waiter(), Waiter()
    place = gate.enter(FOREVER)
    results = []
    threads = [start(lambda: results.append(gate.enter(FOREVER, waiter=gone))) for _ in range(3)]
    threads.append(start(lambda: gate.pause(1000, gone)))
    other = start(lambda: results.append(gate.enter(FOREVER, waiter=waiting)))
    while len(gate._fresh) < 4:
        pass
    gate.give_up(gone)
    for thread in threads:
        thread.join(30)
    assert results == [Refused.GIVEN_UP] * 3
    place.answered()
    other.join(30)
    assert isinstance(results[-1], Place)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def outage(clock):
    gate = admission(clock=clock)
    for _ in range(5):
        gate.gates[0].breaker.failed(clock.now, clock.now, None, "service_error")
    return gate


def test_where_only_failed_images_are_left_an_outage_is_waited_for_until_its_tail_ends():
    clock = Clock()
    gate = outage(clock)
    clock.now = TAIL
    assert gate.enter(FOREVER, retry=True) is Refused.TAIL


def test_the_tail_has_not_come_while_there_is_something_fresh():
    clock = Clock()
    gate = outage(clock)
    clock.now = TAIL
    bundle = Waiter()
    gate.more_to_come(bundle)
    gate.enter(FOREVER, retry=True).failed(0.0, "service_error")
    gate.no_more_to_come(bundle)
    assert gate.enter(FOREVER, retry=True) is Refused.TAIL


def test_who_waits_is_told_that_the_tail_has_come():
    gate = admission()
    gate.gates[0].breaker.answered(monotonic(), monotonic())
    began = monotonic() - TAIL + 0.05
    for _ in range(5):
        gate.gates[0].breaker.failed(began, began, None, "service_error")
    gate.gates[0].breaker.admit(began)
    results = []
    waiting = [start(lambda: results.append(gate.enter(FOREVER, retry=True))) for _ in range(3)]
    for thread in waiting:
        thread.join(30)
    assert results == [Refused.TAIL] * 3


@pytest.mark.parametrize(
    ("outage", "order"), [(False, ["retry", "first", "second"]), (True, ["first", "retry", "second"])]
)
def test_who_goes_first(outage, order):
    """Retries, but in an outage a new image is the better probe; when it is answered, the outage is over."""
    gate = admission(max_in_flight=1)
    place = gate.enter(FOREVER)
    expected, order, queued = order, [], []

    def enter(name, retry):
        admitted = gate.enter(FOREVER, retry=retry)
        order.append(name)
        admitted.answered()

    for name, retry in (("first", False), ("second", False), ("retry", True)):
        queued.append(start(lambda name=name, retry=retry: enter(name, retry)))
        while len(gate._fresh) + len(gate._retries) < len(queued):
            pass
    if outage:
        for _ in range(5):
            gate.gates[0].breaker.failed(monotonic(), monotonic(), None, "service_error")
        place.failed(None, "service_error")
    else:
        place.answered()
    for thread in queued:
        thread.join(30)
    assert order == expected


@settings(max_examples=20)
@given(
    st.integers(1, 8),
    st.integers(1, 12),
    st.lists(st.sampled_from(["answered", "throttled", "failed"]), min_size=1, max_size=40),
)
def test_no_wake_up_is_lost(max_in_flight, threads, results):
    """Whatever comes back in whatever order, every caller gets through, never more at once than the window."""
    gate = admission(max_in_flight, None)
    gate.gates[0].pacer.rate = 1e6
    lock, at_once, peak = threading.Lock(), 0, 0
    todo = list(results)

    def work():
        nonlocal at_once, peak
        while True:
            with lock:
                if not todo:
                    return
                result = todo.pop()
            place = gate.enter(FOREVER)
            assert isinstance(place, Place)
            with lock:
                at_once += 1
                peak = max(peak, at_once)
            with lock:
                at_once -= 1
            if result == "answered":
                place.answered()
            elif result == "throttled":
                place.throttled(0.0)
                gate.gates[0].pacer.rate = 1e6
            else:
                place.failed(float("-inf"), "x")

    gate.gates[0].breaker.answered(monotonic(), monotonic())
    workers = [start(work) for _ in range(threads)]
    for worker in workers:
        worker.join(30)
    assert not any(worker.is_alive() for worker in workers)
    assert peak <= max_in_flight


def test_waiting_for_the_pacer_is_throttled_time():
    gate = admission(rate=25.0)
    began = monotonic()
    for _ in range(30):
        gate.enter(FOREVER).answered()
    assert 0.9 < gate.take_events()["throttled_seconds"] <= monotonic() - began
    assert gate.take_events() == {}


RATE = 10.0


def sick(clock):
    """One whose process alone has lost the service: the others are well, it has a tenth of a second for each image."""
    gate = admission(rate=RATE, clock=clock)
    gate.share(gate.gates[0], RATE, 2, 0, True)
    gate.trip("unknown_host", "no such name")
    clock.now = 1.0
    return gate


def give_up(gate, clock, images):
    """So many images that no place is found for, each as soon as may be; the places for probes."""
    probes = []
    for _ in range(images):
        clock.now = max(clock.now, gate.first(clock.now)[0])
        found = gate.enter(FOREVER)
        if isinstance(found, Place):
            found.failed(None, "unreachable")
            gate.trip("unknown_host", "no such name")
            probes.append(clock.now)
        else:
            assert found is Refused.TRIPPED
    return probes


def test_a_process_that_alone_cannot_reach_the_service_gives_up_no_more_images_than_it_would_call():
    clock = Clock()
    probes = give_up(sick(clock), clock, 1000)
    assert clock.now == pytest.approx(1000 / RATE, rel=0.05)
    assert [round(after - before) for before, after in pairwise(probes)] == [30, 30, 30]


def test_a_probe_that_is_answered_ends_it():
    clock = Clock()
    gate = sick(clock)
    assert not gate.is_closed
    gate.enter(FOREVER).answered()
    assert gate.gates[0].is_well
    assert gate.why_closed() == ("", "")
    clock.now = 2.0
    assert isinstance(gate.enter(FOREVER), Place)


def test_where_nobody_is_well_the_rest_is_given_up_at_once():
    clock = Clock()
    gate = sick(clock)
    gate.share(gate.gates[0], RATE, 2, 0, False)
    assert gate.is_closed
    assert [gate.enter(FOREVER) for _ in range(100)] == [Refused.TRIPPED] * 100


@pytest.mark.parametrize("reason", ["unauthorized", "quota_spent", "unknown_model", "interrupted"])
def test_a_fault_that_is_everybodys_closes_it_whoever_is_well(reason):
    gate = admission()
    gate.share(gate.gates[0], None, 2, 0, True)
    gate.trip(reason, "")
    assert gate.is_closed


def two_gates(clock, *rates):
    gates = [Gate(f"https://{rate}.example", 100, rate, 600.0, clock()) for rate in rates]
    return Admission(gates, clock), gates


def test_the_resource_whose_slot_comes_first_is_called():
    clock = Clock()
    both, gates = two_gates(clock, 10.0, 20.0)
    called = []
    while clock.now < 10:
        clock.now = max(clock.now, both.first(clock.now)[0])
        place = both.enter(FOREVER)
        called.append(place.gate)
        place.answered()
    assert called.count(gates[0]) == pytest.approx(99, abs=2)
    assert called.count(gates[1]) == pytest.approx(198, abs=2)


def test_a_resource_that_closes_leaves_the_others_and_is_told_of_once():
    clock = Clock()
    both, gates = two_gates(clock, 10.0, 20.0)
    gates[1].breaker.trip("unauthorized", "bad key")
    clock.now = 1.0
    assert both.enter(FOREVER).gate is gates[0]
    told = [name for name in both.take_events() if name.startswith("closed.")]
    assert len(told) == 1
    assert told[0].startswith("closed.https://20.0.example: unauthorized, ")
    assert not any(name.startswith("closed.") for name in both.take_events())
    gates[0].breaker.trip("quota_spent", "until tomorrow")
    assert both.enter(FOREVER) is Refused.TRIPPED
    assert both.why_closed() == (
        "quota_spent",
        "https://10.0.example: quota_spent: until tomorrow; https://20.0.example: unauthorized: bad key",
    )


def test_an_image_that_failed_goes_elsewhere_if_there_is_somewhere_else():
    clock = Clock()
    both, gates = two_gates(clock, 10.0, 20.0)
    clock.now = 1.0
    assert both.enter(FOREVER, avoided=gates[1]).gate is gates[0]
    gates[0].breaker.trip("quota_spent", "")
    clock.now = 2.0
    assert both.enter(FOREVER, avoided=gates[1]).gate is gates[1]


def test_a_place_is_due_for_a_second_and_while_there_is_a_share():
    clock = Clock()
    gate = admission(clock=clock)
    clock.now = 1.0
    place = gate.enter(FOREVER)
    clock.now = 2.0
    assert place.is_due(place.started)
    gate.share(gate.gates[0], 0.0, 1, 0, False)
    assert not place.is_due(place.started)
    gate.share(gate.gates[0], 10.0, 1, 0, False)
    clock.now = 2.1
    assert not place.is_due(place.started)


def test_what_the_head_waits_for_is_told():
    clock = Clock()
    gate = admission(rate=RATE, clock=clock)
    clock.now = 1.0
    only = gate.gates[0]
    place = gate.enter(FOREVER)
    assert only.cause(clock.now) is Cause.WINDOW
    place.answered()
    assert only.cause(clock.now) is Cause.LIMIT
    gate.share(only, 0.0, 1, 0, False)
    assert only.cause(clock.now) is Cause.SHARE
    gate.share(only, RATE, 1, 0, False)
    for _ in range(5):
        only.breaker.failed(clock.now, clock.now, None, "service_error")
    assert only.cause(clock.now) is Cause.OUTAGE
