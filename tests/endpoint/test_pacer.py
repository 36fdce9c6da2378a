"""The pacer on a clock of its own: no second holds more than the ceiling, and the rate finds its way."""

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.pacer import LATER, SOONER, Grid, Pacer


class Limited:
    """A service that accepts `limit` calls in any sliding second, on the pacer's clock."""

    def __init__(self, limit):
        self.limit, self.accepted, self.refused = limit, deque(), 0
        self.total = 0

    def accepts(self, now):
        while self.accepted and self.accepted[0] <= now - 1:
            self.accepted.popleft()
        if len(self.accepted) >= self.limit:
            self.refused += 1
            return False
        self.accepted.append(now)
        self.total += 1
        return True


def drive(pacer, service, until, now=0.0, wait=1.0):
    """Starts a call at every slot until `until`; returns the number of calls accepted after two seconds."""
    early = 0
    while now < until:
        now = max(now, pacer.next_slot(now))
        pacer.take(now)
        if service.accepts(now):
            pacer.answered(now)
        else:
            pacer.throttled(now, now, wait)
        if now < 2:
            early = service.total
    return service.total - early


@given(
    st.floats(0.2, 500),
    st.lists(st.tuples(st.floats(0, 0.5), st.sampled_from(["answered", "throttled", "nothing"])), max_size=300),
)
def test_no_second_exceeds_the_ceiling(rate, events):
    pacer, now, starts = Pacer(rate, 0.0), 0.0, []
    for idle, event in events:
        now = max(now + idle, pacer.next_slot(now + idle))
        pacer.take(now)
        starts.append(now)
        if event == "answered":
            pacer.answered(now)
        elif event == "throttled":
            pacer.throttled(now, now, idle)
    for first, start in enumerate(starts):
        assert sum(start <= other < start + 1 for other in starts[first:]) <= max(1, int(rate) + 1)


@pytest.mark.parametrize("limit", [30, 50, 400])
def test_a_given_rate_is_used_and_never_refused(limit):
    service = Limited(limit)
    accepted = drive(Pacer(limit, 0.0), service, until=60)
    assert service.refused == 0
    assert accepted >= 0.98 * limit * 58


@pytest.mark.parametrize("limit", [10, 30, 50, 200])
def test_an_unknown_limit_is_found(limit):
    service = Limited(limit)
    accepted = drive(Pacer(None, 0.0), service, until=60)
    assert accepted >= 0.90 * limit * 58
    assert service.refused <= 0.03 * service.total


def refuse(pacer, now, calls, wait=0.0):
    """So many calls at one moment, all refused."""
    for _ in range(calls):
        pacer.take(now)
        pacer.throttled(now, now, wait)


def test_a_lone_refusal_changes_nothing():
    pacer = Pacer(100, 0.0)
    before = pacer.rate
    refuse(pacer, 10.0, 1, wait=30.0)
    assert pacer.rate == before
    assert pacer.next_slot(10.0) < 10.1


def test_calls_that_started_before_a_cut_do_not_cut_again():
    pacer = Pacer(100, 0.0)
    pacer.take(9.9)
    refuse(pacer, 10.0, 4)
    after = pacer.rate
    assert after < 0.75 * 99
    for _ in range(20):
        pacer.throttled(10.1, 9.9, 0.0)
    assert pacer.rate == after


def test_where_all_are_refused_the_pause_is_for_everyone():
    pacer = Pacer(100, 0.0)
    refuse(pacer, 5.0, 4, wait=30.0)
    assert pacer.next_slot(5.0) == 35.0


def test_without_a_named_wait_pauses_grow_and_answers_reset_them():
    pacer = Pacer(100, 0.0)
    pauses = []
    for now in (10.0, 30.0, 50.0):
        refuse(pacer, now, 12, None)
        pauses.append(pacer._closed_until - now)
    assert pauses == [1.0, 2.0, 4.0]
    pacer.answered(60.0)
    refuse(pacer, 70.0, 12, None)
    assert pacer._closed_until == 71.0


def test_refusals_of_others_do_not_slow_a_given_rate():
    pacer, now = Pacer(100, 0.0), 0.0
    for number in range(6000):
        now = pacer.next_slot(now)
        pacer.take(now)
        if number % 10:
            pacer.answered(now)
        else:
            pacer.throttled(now, now, 1.0)
    assert 6000 / now >= 0.95 * 99


def test_a_pace_that_is_not_used_does_not_run_away():
    pacer = Pacer(None, 0.0)
    for tenth in range(600):
        pacer.take(tenth / 10)
        pacer.answered(tenth / 10)
    assert pacer.rate <= 1.5 * 10 * 1.2


def test_the_rate_comes_back():
    pacer, service = Pacer(50, 0.0), Limited(10_000)
    refuse(pacer, 0.0, 4)
    drive(pacer, service, until=30)
    assert pacer.rate == pacer.ceiling


def test_a_lone_refusal_moves_a_thin_share_and_does_not_cut_it():
    pacer = Pacer(0.5, 0.0)
    pacer.take(0.0)
    slot, interval = pacer.next_slot(0.0), 1 / pacer.rate
    pacer.throttled(0.1, 0.0, 1.0, nudge=0.5)
    assert pacer.rate == pacer.ceiling
    assert slot < pacer.next_slot(0.1) <= slot + 0.05 * interval + 1e-9


def test_slots_of_a_thin_share_that_fall_into_a_pause_are_skipped():
    pacer = Pacer(0.5, 0.0)
    pacer.take(0.0)
    pacer.throttled(0.1, 0.0, 5.0)
    assert pacer.next_slot(0.1) == pytest.approx(3 / pacer.rate)


def test_many_refusals_cut_a_thin_share():
    pacer, now = Pacer(0.5, 0.0), 0.0
    for _ in range(4):
        assert pacer.rate == pacer.ceiling
        now = pacer.next_slot(now)
        pacer.take(now)
        pacer.throttled(now, now, 1.0)
    assert pacer.rate < pacer.ceiling


@pytest.mark.parametrize("share", [0.001, 0.03])
def test_a_cut_never_raises_a_rate(share):
    pacer = Pacer(share, 0.0)
    for now in (10.0, 20.0, 30.0, 40.0):
        pacer.throttled(now, now, 1.0)
    assert pacer.rate <= pacer.ceiling


def test_processes_that_start_together_do_not_call_together():
    starts = [Pacer(0.5, 0.0, phase=number / 100).next_slot(0.0) for number in range(100)]
    assert max(starts) - min(starts) == pytest.approx(0.99 / (0.5 * 0.97))
    assert len(set(starts)) == 100


def members(rate, number, offsets):
    """Pacers of processes that share the rate, and have known of each other since 0."""
    pacers = [Pacer(rate / number, 0.0, phase=offset) for offset in offsets]
    for rank, pacer in enumerate(pacers):
        pacer.share(rate / number, 0.0, Grid(rank, number, 1000.0))
    return pacers


@given(
    st.sampled_from([(40, 2), (40, 3), (100, 7), (9, 2), (40, 11)]),
    st.lists(st.floats(0, 1), min_size=11, max_size=11),
    st.lists(st.floats(0, 0.01), min_size=1, max_size=50),
)
def test_members_together_stay_within_the_rate_though_each_is_late_at_times(shared, offsets, late):
    rate, number = shared
    pacers, service = members(rate, number, offsets[:number]), Limited(rate)
    for call in range(10 * rate):
        pacer = min(pacers, key=lambda one: one.next_slot(0.0))
        now = pacer.next_slot(0.0)
        pacer.take(now)
        service.accepts(now + late[call % len(late)] * (call % 3 == 0))
    assert service.refused == 0


def test_a_member_that_was_late_comes_back_to_its_slots_little_by_little():
    pacer = members(40, 3, [0.0, 0.3, 0.6])[1]
    interval, grid = 1 / pacer.ceiling, Grid(1, 3, 1000.0)
    pacer.take(pacer.next_slot(0.0) + 0.03)
    slots = []
    for _ in range(200):
        slots.append(pacer.next_slot(0.0))
        pacer.take(slots[-1])
    gaps = [later - sooner for sooner, later in pairwise(slots)]
    assert (1 - SOONER) * interval - 1e-9 <= min(gaps) <= max(gaps) <= (1 + LATER) * interval + 1e-9
    assert slots[0] != pytest.approx(grid.nearest(slots[0], interval))
    assert slots[-1] == pytest.approx(grid.nearest(slots[-1], interval))
