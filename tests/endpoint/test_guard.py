"""Limits as they are written, and guards that know of each other."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.endpoint.guard import Guard, Tally
from image_analysis_beam.transforms.endpoint.limits import LEAST_SAMPLE, dead_letter_limit, limits_of, seconds_of
from image_analysis_beam.transforms.fleet.board import FolderBoard
from image_analysis_beam.transforms.guards import Tallies


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("8h", 28_800), ("90m", 5400), ("3600", 3600), (3600, 3600), ("1.5 h", 5400), ("2d", 172_800), ("30s", 30)],
)
def test_durations(text, seconds):
    assert seconds_of("max_time", text) == seconds


@given(st.text(max_size=8))
def test_other_texts_are_refused(text):
    with suppress(ConfigurationError):
        assert 0 < seconds_of("max_time", text) < 10**8
    with suppress(ConfigurationError):
        limit = dead_letter_limit(text)
        assert (limit.number is None) != (limit.percent is None)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_share_is_exact(whole, hundredths, dead, good):
    limit, settled = dead_letter_limit(f"{whole}.{hundredths:02}%"), dead + good
    assert limit.percent == Decimal(100 * whole + hundredths) / 100
    is_more = 10_000 * dead > (100 * whole + hundredths) * settled
    assert limit.is_passed(dead, settled) == (is_more and settled >= LEAST_SAMPLE)


class Waiting:
    woken = 0

    def wake(self):
        self.woken += 1


def member(folder, most):
    guard = Guard(limits_of(most, None))
    return guard, Tallies(FolderBoard(str(folder)), guard)


def test_what_all_processes_count_together_stops_them_all(tmp_path):
    (first, told), (second, told_too) = member(tmp_path, 10), member(tmp_path, 10)
    waiting = Waiting()
    second.watch(waiting)
    first.count("a", Tally(20, 6))
    second.count("b", Tally(30, 5))
    assert first.why_stopped() is second.why_stopped() is None, "neither knows of the other"
    told.on_beat()
    told_too.on_beat()
    reason, detail = second.why_stopped()
    assert (reason, waiting.woken) == ("too_many_dead_letters", 1)
    assert detail == "11 of 50 images are dead letters: more than --max_dead_letters 10"
    second.drop("b")
    told_too.on_beat()
    told.on_beat()
    assert first.why_stopped() == second.why_stopped(), "it is said once and for all"
    late, told_late = member(tmp_path, 10)
    told_late.on_beat()
    assert late.why_stopped() == (reason, detail)


def test_who_has_gone_is_counted_and_a_bundle_that_died_is_not(tmp_path):
    (first, told), (second, told_too) = member(tmp_path, 10), member(tmp_path, 10)
    first.count("a", Tally(9, 9))
    told.on_beat()
    first.drop("a")
    first.count("again", Tally(9, 9))
    told.on_beat()
    first.keep("again")
    told.on_beat()
    second.count("b", Tally(1, 1))
    told_too.on_beat()
    assert second.why_stopped() is None
    second.count("b", Tally(1, 1))
    assert second.stopped_by == Tally(11, 11)
    assert len(list(tmp_path.iterdir())) == 2, "one file of each, and none before the next beat"


def test_without_a_limit_nothing_is_counted():
    guard = Guard()
    guard.count("a", Tally(1000, 1000))
    assert (guard.tally, guard.why_stopped()) == (Tally(), None)
