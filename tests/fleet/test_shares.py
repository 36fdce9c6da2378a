"""Members that come, stall, leave and die, with listings that lag: together they never have more than the rate."""

from __future__ import annotations

import random
from itertools import count

import pytest

from image_analysis_beam.transforms.fleet.beats import VALID_BEATS
from image_analysis_beam.transforms.fleet.lease import Lease
from image_analysis_beam.transforms.fleet.shares import GONE_AFTER, STARTS_FOR, WAITS, Mark, Seen, Shares

BEAT, RATE = 10.0, 100.0
STEP = 0.25


class Store:
    """A board whose names are listed late."""

    def __init__(self, world, lag):
        self.world, self.lag, self.numbers = world, lag, count()
        self.shown, self.coming = {}, []

    def put(self, name):
        self._soon(name, next(self.numbers))

    def remove(self, names):
        for name in names:
            self._soon(name, None)

    def listing(self):
        due = [event for event in self.coming if event[0] <= self.world.now]
        self.coming = [event for event in self.coming if event[0] > self.world.now]
        for _, name, number in sorted(due, key=lambda event: event[0]):
            if number is None:
                self.shown.pop(name, None)
            else:
                self.shown[name] = number
        return iter(list(self.shown.items()))

    def _soon(self, name, number):
        self.coming.append((self.world.now + self.world.draw.uniform(0, self.lag), name, number))


class Process:
    """A member on the world's clock: it beats when it is awake, and looks before it calls."""

    def __init__(self, world, at_start, draw):
        self.world, self.share, self.works = world, 0.0, True
        self.starts_at = draw.choice([draw.uniform(0, 20), draw.uniform(0, 400)])
        self.dies_at = draw.choice([float("inf"), draw.uniform(100, 500)])
        self.stalls = [(at, at + draw.uniform(5, 120)) for at in (draw.uniform(30, 400),) if draw.random() < 0.5]
        self.idles = [(at, at + draw.uniform(20, 80)) for at in (draw.uniform(30, 400),) if draw.random() < 0.5]
        self.next_beat = self.starts_at
        self.lease = Lease(world.board, RATE, at_start, BEAT, self, lambda: (world.now, world.now))

    def has_work(self):
        return not any(begins <= self.world.now < ends for begins, ends in self.idles)

    def is_well(self):
        return True

    def take_share(self, share):
        self.share = share.rate

    def is_awake(self):
        stalled = any(begins <= self.world.now < ends for begins, ends in self.stalls)
        return self.starts_at <= self.world.now < self.dies_at and not stalled

    def go_on(self):
        if self.is_awake() and self.world.now >= self.next_beat:
            self.lease.beats.beat()
            self.next_beat = self.world.now + self.world.draw.uniform(BEAT, 1.1 * BEAT)

    def calls_per_second(self):
        if not self.is_awake() or not self.lease.may_call():
            return 0.0
        return self.share


class World:
    def __init__(self, seed, processes, at_start, lag):
        self.now, self.draw = 0.0, random.Random(seed)
        self.board = Store(self, lag)
        self.processes = [Process(self, at_start, self.draw) for _ in range(processes)]

    def run(self, seconds):
        """The sum of shares at each step."""
        while self.now < seconds:
            for process in self.processes:
                process.go_on()
            yield sum(process.calls_per_second() for process in self.processes)
            self.now += STEP


@pytest.mark.parametrize("at_start", [None, RATE / 8], ids=["several jobs", "one job"])
@pytest.mark.parametrize("lag", [0.5, 0.9 * BEAT], ids=["fresh listings", "listings that lag"])
def test_together_they_never_have_more_than_the_rate(at_start, lag):
    for seed in range(40):
        world = World(seed, 8, at_start, lag)
        assert max(world.run(500.0)) <= RATE * (1 + 1e-9), seed


def members(number, mark=Mark.LIVE, stamp=0):
    return [Seen(f"other-{index}", RATE, mark, stamp) for index in range(number)]


def shares(at_start=None):
    mine = Shares("mine", RATE, at_start, BEAT)
    mine.announce(0.0)
    return mine


def test_a_newcomer_waits_until_everybody_counts_it():
    mine = shares(at_start=5.0)
    rates = [mine.see(beat * BEAT, members(3, stamp=beat)).rate for beat in range(5)]
    assert rates == [0, 0, 0, RATE / 4, RATE / 4]


def test_the_first_of_a_job_start_at_once_and_rise_when_all_know_of_them():
    mine = shares(at_start=RATE / 200)
    rates = [mine.see(beat * BEAT, members(19, Mark.NEW, beat)).rate for beat in range(8)]
    assert rates == [RATE / 200] * (STARTS_FOR + WAITS) + [RATE / 20] * (8 - STARTS_FOR - WAITS)


def test_who_starts_at_once_says_after_a_while_that_newcomers_are_to_wait():
    mine = shares(at_start=1.0)
    marks = []
    for beat in range(4):
        mine.see(beat * BEAT, [])
        marks.append(mine.mark(is_well=True))
    assert marks == [Mark.NEW, Mark.NEW, Mark.LIVE, Mark.LIVE]


def test_the_dead_are_counted_for_three_beats():
    mine = shares()
    counted = [mine.see(beat * BEAT, members(1, stamp=min(beat, 4))).members for beat in range(10)]
    assert counted == [2] * (4 + GONE_AFTER) + [1] * 3
    assert VALID_BEATS < GONE_AFTER


def test_the_smallest_rate_in_view_holds():
    mine = shares()
    for beat in range(4):
        share = mine.see(beat * BEAT, [Seen("other", 30.0, Mark.LIVE, beat)])
    assert share.rate == 15


def test_that_others_are_well_is_known_where_there_are_any():
    mine = shares()
    assert not mine.see(0.0, []).others_are_well
    assert not mine.see(10.0, members(2, Mark.TRIPPED)).others_are_well
    assert mine.see(20.0, [*members(2, Mark.TRIPPED), *[Seen("well", RATE, Mark.LIVE, 0)]]).others_are_well
    assert mine.mark(is_well=False) is Mark.TRIPPED
