"""Rate limits: the arithmetic under an injected clock, and the forms of the 429 over HTTP."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.emulator.latency import Latency
from image_analysis_beam.emulator.limits import Limit, Limits, throttled

from .conftest import Caller

gaps = st.lists(st.floats(0, 0.7), min_size=1, max_size=120)


def admitted_at(limits: Limits, waits: list[float]) -> list[float]:
    now, admitted = 0.0, []
    for gap in waits:
        now += gap
        if limits.admit(now) == 0:
            admitted.append(now)
    return admitted


@given(gaps, st.integers(1, 9), st.sampled_from([1.0, 2.5]))
def test_no_sliding_window_holds_more_than_its_calls(waits, calls, seconds):
    admitted = admitted_at(Limits([Limit("sliding", calls, seconds)]), waits)
    for i, start in enumerate(admitted):
        assert sum(start <= at < start + seconds for at in admitted[i:]) <= calls


@given(gaps, st.integers(1, 9), st.integers(1, 4))
def test_a_bucket_never_gives_more_than_its_burst_and_refill(waits, calls, burst):
    admitted = admitted_at(Limits([Limit("bucket", calls, 1.0, burst)]), waits)
    for i, start in enumerate(admitted):
        for j, end in enumerate(admitted[i:], 1):
            assert j <= burst + (end - start) * calls + 1e-6


@given(gaps, st.sampled_from(["sliding", "bucket"]))
def test_waiting_as_told_is_enough(waits, kind):
    limits = Limits([Limit(kind, 2, 1.0)])
    now = 0.0
    for gap in waits:
        now += gap
        wait = limits.admit(now)
        if wait > 0:
            now += wait + 1e-9
            assert limits.admit(now) == 0


def test_a_call_refused_by_one_limit_is_counted_by_none():
    limits = Limits([Limit("sliding", 1, 1.0), Limit("sliding", 2, 60.0)])
    assert limits.admit(0) == 0
    assert limits.admit(0.5) > 0
    assert limits.admit(1.0) == 0
    assert limits.admit(2.0) == pytest.approx(58)


@pytest.mark.parametrize(
    ("form", "header", "told"),
    [
        ("both", ("Retry-After", "3"), True),
        ("header", ("Retry-After", "3"), False),
        ("message", None, True),
        ("ms", ("retry-after-ms", "2100"), False),
        ("none", None, False),
    ],
)
def test_forms_of_the_429(form, header, told):
    refusal = throttled(form, 2.1, "2024-02-01", 0)
    assert refusal.headers == ((header,) if header else ())
    assert ("Please retry after 3 seconds." in refusal.message) is told


def test_date_form_never_promises_too_early():
    [(name, value)] = throttled("date", 2.1, "2024-02-01", 1_000_000.5).headers
    assert name == "Retry-After"
    assert parsedate_to_datetime(value).timestamp() == 1_000_003


@pytest.mark.parametrize("kind", ["sliding", "bucket"])
def test_calls_beyond_the_limit_get_a_gateway_429(caller: Caller, picture: bytes, kind):
    caller.emulator.set_faults({"limits": [{"kind": kind, "calls": 3, "seconds": 60}]})
    responses = [caller.analyze(picture) for _ in range(5)]
    assert [r.status_code for r in responses] == [200, 200, 200, 429, 429]
    last = responses[-1]
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert f"Please retry after {last.headers['Retry-After']} seconds" in last.json()["error"]["message"]
    assert last.json()["error"]["code"] == "429"
    assert "x-ms-region" not in last.headers
    stats = caller.emulator.stats()
    assert stats["by_status"] == {"200": 3, "429": 2}
    assert stats["billed"] == 3
    assert stats["most_accepted_in_1s"] <= 3


def test_the_form_can_be_ordered(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"limits": [{"calls": 1, "seconds": 60}], "throttle_form": "date"})
    caller.analyze(picture)
    header = caller.analyze(picture).headers["Retry-After"]
    assert parsedate_to_datetime(header).timestamp() == pytest.approx(time.time() + 60, abs=5)


@pytest.mark.parametrize(
    "latency",
    [
        Latency("uniform", low=0.1, high=0.2),
        Latency("lognormal", median=0.1, sigma=0.4),
        Latency("tail", seconds=0.1, slow=5, probability=0.2),
    ],
)
def test_latency_is_seeded(latency):
    one, two = latency.sampler(), latency.sampler()
    values = [one() for _ in range(500)]
    assert values == [two() for _ in range(500)]
    assert len(set(values)) > 1


def test_latency_distributions():
    tail = Latency("tail", seconds=0.1, slow=5, probability=0.2).sampler()
    values = [tail() for _ in range(2000)]
    assert set(values) == {0.1, 5}
    assert 0.15 < values.count(5) / 2000 < 0.25
    lognormal = Latency("lognormal", median=0.1, sigma=0.4).sampler()
    assert sorted(lognormal() for _ in range(2001))[1000] == pytest.approx(0.1, rel=0.1)


def test_ordered_latency_is_the_time_of_the_call(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"latency": {"seconds": 0.15}})
    began = time.monotonic()
    response = caller.analyze(picture)
    assert time.monotonic() - began >= 0.15
    assert int(response.headers["x-envoy-upstream-service-time"]) >= 149
