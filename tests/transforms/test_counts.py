"""The time line of a run: bounded in every place, and the same however its attempts are spread over bundles."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.account_run import AddCounts
from image_analysis_beam.transforms.call_stats import counts_of, processes_of
from image_analysis_beam.transforms.counts import MOST_STEPS, Counts, pace, timeline
from image_analysis_beam.transforms.endpoint.settle import Attempt

DAY = 86_400
START = 1_770_000_123
CLASSES = ("answered", "throttled", "service_error")
MOMENTS = st.integers(0, 9) | st.integers(0, 900) | st.integers(0, 8 * DAY)
ATTEMPTS = st.lists(st.tuples(MOMENTS, st.sampled_from(CLASSES)), min_size=1, max_size=120)


def attempt(second, result="answered"):
    return Attempt(START + second + 0.5, result, 0.1, 0.0, 10, 1)


def bundle(attempts):
    counts = Counts()
    for second, result in attempts:
        counts.add(counts_of([attempt(second, result)], {}))
    return counts.total()


def merged(source, totals):
    """Adds up in any order, any number at a time, as a runner does."""
    add = AddCounts()
    while len(totals) > 1:
        source.shuffle(totals)
        number = source.randint(2, len(totals))
        totals = [add.merge_accumulators(totals[:number]), *totals[number:]]
    return add.extract_output(totals[0])


@given(ATTEMPTS, st.randoms(use_true_random=False))
def test_however_it_is_spread_and_merged_it_is_the_same(attempts, source):
    bundles = [[] for _ in range(source.randint(1, 9))]
    for one in attempts:
        source.choice(bundles).append(one)
    add = AddCounts()
    totals = [add.create_accumulator() for _ in range(source.randint(1, 5))]
    for each in bundles:
        add.add_input(source.choice(totals), bundle(each))
    counts = merged(source, totals)
    assert counts == bundle(attempts)
    check(counts, attempts)


def check(counts, attempts):
    """The time line has all attempts, each in its step, and is bounded; the pace is right to a step."""
    steps = timeline(counts)
    assert [step["at"] for step in steps] == sorted({step["at"] for step in steps})
    (seconds,) = {step["seconds"] for step in steps}
    expected = Counter((START + second) // seconds * seconds for second, _ in attempts)
    assert {step["at"]: sum(step.get(result, 0) for result in CLASSES) for step in steps} == expected
    for result in CLASSES:
        assert sum(step.get(result, 0) for step in steps) == counts.get(f"attempts.{result}", 0)
    moments = [second for second, _ in attempts]
    length = max(moments) - min(moments) + 1
    assert (steps[-1]["at"] - steps[0]["at"]) // seconds < MOST_STEPS
    assert seconds == 1 or length > seconds * (MOST_STEPS - 2) / 2, "no longer than they have to be"
    shown = pace(counts)
    slowest, fastest = (len(attempts) / (length + error) for error in (seconds - 1, 1 - seconds))
    assert slowest - 0.01 <= shown <= fastest + 0.01


def test_six_days_in_one_bundle_are_bounded_all_the_time():
    counts, most = Counts(), 0
    seconds = range(0, 6 * DAY, 7)
    for second in seconds:
        counts.add(counts_of([attempt(second, CLASSES[second % 3])], {}))
        most = max(most, len(counts._counts))
    assert most <= 2 * (MOST_STEPS * len(CLASSES) + 10)
    check(counts.total(), [(second, CLASSES[second % 3]) for second in seconds])


def test_many_short_bundles_are_bounded_in_every_accumulator():
    add, source, most = AddCounts(), random.Random(1), 0
    totals = [add.create_accumulator() for _ in range(3)]
    seconds = range(0, 6 * DAY, 60)
    for second in seconds:
        total = add.add_input(source.choice(totals), bundle([(second, "answered")]))
        most = max(most, len(total._counts))
    assert most <= 2 * (MOST_STEPS + 10)
    check(merged(source, totals), [(second, "answered") for second in seconds])


def test_a_process_is_one_however_often_it_is_counted():
    """As when its bundles fail and all that it holds is made anew."""
    once = counts_of([attempt(0)], {}) + counts_of([], {"waited.limit": 1})
    assert processes_of(once + once) == 1
    assert processes_of(once | {"process.another": 3}) == 2
    assert counts_of([], {}) == {}


def test_other_counts_are_left_alone():
    total = Counts()
    for number in range(5000):
        total.add({f"unknown.$.field{number}": 1, "input": 2})
    assert total.total() == {"input": 10_000} | {f"unknown.$.field{number}": 1 for number in range(5000)}
    assert (timeline(total.total()), pace(total.total())) == ([], None)
