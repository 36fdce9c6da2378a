import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.breaker import IN_A_ROW, TAIL, Breaker, State


def fail(breaker, now, times=IN_A_ROW, first_failure=None):
    for _ in range(times):
        breaker.failed(now, now, first_failure, "service_error: HTTP 500")


def test_failures_in_a_row_open_it_and_a_probe_closes_it():
    breaker = Breaker(patience=600)
    fail(breaker, 0.0, IN_A_ROW - 1)
    assert breaker.state is State.CLOSED
    fail(breaker, 0.0, 1)
    assert breaker.state is State.OPEN
    assert breaker.opens_at(0.0) == 1.0
    breaker.admit(1.0)
    assert breaker.state is State.HALF_OPEN
    assert breaker.opens_at(1.0) == 600.0
    breaker.answered(1.5, 1.0)
    assert breaker.state is State.CLOSED


def test_the_cool_down_doubles():
    breaker = Breaker(patience=600)
    fail(breaker, 0.0)
    now, cool_downs = 0.0, []
    for _ in range(7):
        now = breaker.opens_at(now)
        breaker.admit(now)
        breaker.failed(now, now, None, "unreachable")
        cool_downs.append(breaker.opens_at(now) - now)
    assert cool_downs == [2, 4, 8, 16, 30, 30, 30]


def test_an_outage_beyond_patience_is_for_good():
    breaker = Breaker(patience=10)
    fail(breaker, 0.0)
    assert breaker.opens_at(10.0) == 10.0
    assert breaker.state is State.TRIPPED
    assert breaker.reason == "outage"
    breaker.answered(11.0, 10.5)
    assert breaker.state is State.TRIPPED


def test_an_image_that_fails_again_while_others_are_answered_is_no_sign():
    breaker = Breaker(patience=10)
    breaker.answered(1.0, 0.9)
    fail(breaker, 2.0, times=100, first_failure=0.5)
    assert breaker.state is State.CLOSED


def test_poison_images_that_fail_before_slower_answers_come_are_to_blame():
    breaker = Breaker(patience=600)
    fail(breaker, 0.0)
    assert breaker.state is State.OPEN
    breaker.answered(0.5, -0.1)
    for second in range(1, 9):
        breaker.admit(float(second))
        breaker.failed(second, second, 0.0, "service_error")
        assert breaker.opens_at(float(second)) == second + 1
    breaker.admit(9.0)
    breaker.failed(9.0, 9.0, 0.6, "service_error")
    assert breaker.opens_at(9.0) == 11.0, "since its first failure nobody was answered: the cool-down doubles"


def test_half_of_the_last_twenty_open_it():
    breaker = Breaker(patience=10)
    for number in range(10):
        breaker.answered(float(number), float(number))
        breaker.failed(number + 0.5, number + 0.5, None, "service_error")
    assert breaker.state is State.OPEN


def test_stragglers_neither_close_nor_prolong_an_outage():
    breaker = Breaker(patience=600)
    fail(breaker, 5.0)
    breaker.answered(5.1, 4.0)
    breaker.failed(5.2, 4.0, None, "service_error")
    assert breaker.state is State.OPEN
    assert breaker.opens_at(5.2) == 6.0


def test_the_first_reason_stays():
    breaker = Breaker(patience=600)
    breaker.trip("unauthorized", "bad key")
    breaker.trip("quota_spent", "later")
    assert (breaker.reason, breaker.detail) == ("unauthorized", "bad key")


def test_nothing_but_throttling_beyond_patience_is_for_good():
    breaker = Breaker(patience=10)
    for now in range(12):
        breaker.throttled(float(now), float(now))
    assert (breaker.state, breaker.reason) == (State.TRIPPED, "throttled")


def test_throttling_between_answers_is_not():
    breaker = Breaker(patience=10)
    for now in range(0, 100, 5):
        breaker.throttled(float(now), float(now))
        breaker.answered(now + 1.0, now + 0.5)
    assert breaker.state is State.CLOSED


EVENTS = st.sampled_from(["answer", "failure", "throttle"])


@given(st.lists(st.tuples(st.floats(0.001, 40), EVENTS), max_size=200), st.floats(1, 300))
def test_it_always_lets_a_call_pass_in_time_or_trips(events, patience):
    """No schedule makes it wait beyond the cool-down or the patience, and probes are single."""
    breaker, now = Breaker(patience), 0.0
    for step, event in events:
        now += step
        opens_at = breaker.opens_at(now)
        if breaker.state is State.TRIPPED:
            return
        assert now <= opens_at <= now + 30
        now = opens_at
        if breaker.opens_at(now) and breaker.state is State.TRIPPED:
            return
        breaker.admit(now)
        assert breaker.state in (State.CLOSED, State.HALF_OPEN)
        if event == "answer":
            breaker.answered(now, now)
            assert breaker.state is State.CLOSED
        elif event == "failure":
            breaker.failed(now, now, None, "service_error")
        else:
            breaker.throttled(now, now)


def test_patience_is_counted_from_the_first_failure():
    breaker = Breaker(patience=10)
    for now in range(IN_A_ROW):
        breaker.failed(float(now), float(now), None, "x")
    assert breaker.opens_at(9.9) == pytest.approx(9.9)
    breaker.opens_at(10.0)
    assert breaker.state is State.TRIPPED


def test_a_probe_that_tells_nothing_makes_way_for_another():
    breaker = Breaker(patience=600)
    fail(breaker, 0.0)
    breaker.admit(1.0)
    assert breaker.opens_at(1.0) == 600.0
    breaker.unreported(1.0)
    assert breaker.opens_at(1.0) == 1.0


def test_the_tail_ends_a_while_after_the_outage_began():
    breaker = Breaker(patience=600)
    assert breaker.tail_ends == float("inf")
    fail(breaker, 3.0)
    assert breaker.tail_ends == 3.0 + TAIL
    assert not breaker.answered_since(float("-inf"))
    breaker.answered(4.0, 3.5)
    assert breaker.tail_ends == float("inf")
    assert breaker.answered_since(3.9)
    assert not breaker.answered_since(4.0)
