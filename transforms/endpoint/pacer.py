"""When may the next call start? Evenly spaced slots at a pace that adapts to what the service bears.

A pure state machine on given times (seconds of any monotonic clock): `admission.py` does the waiting, the simulation
in `docs/scaling.md` drives it on a clock of its own.

With a ceiling R, slots are 1 / (0.99 R) apart: a service that counts over a sliding second would refuse every other
call at exactly R, because of jitter on the way. Without one the pace starts at 8/s and doubles each second; it never
grows while less than two thirds of the slots are used, so it stays within 1.5 times of what is really called.

**Whose refusal is it?** One refusal says nothing: another user of the resource, or the service, may be its cause.
Each call is one step of a sum (CUSUM): a refusal adds 1, each call takes off what is usual, `1.5 b + 0.03`, where b
is the share that was refused at a pace which was surely borne. At a sum of `3 + 30 b` the pace is cut. Three refusals
in a row do it, one in a hundred never does; where others cause a tenth (b = 0.1: drift -0.08 a call, variance 0.09),
chance reaches 6 about once in e^(2 x 0.08 x 6 / 0.09) = 40 000 calls. Only calls that started after the last cut
count: the present pace can have caused no other refusal.

The pace is cut to 0.97 of what was borne (started less refused, of the last second), and for 0.7 s, the *dip*, to
0.85 of that: the service's window drains, and what is still refused there is not for our pace. It is b; and if that
explains what was refused before the cut, the cut was a mistake and is taken back. Below a given rate b is learned up
to 0.12. Processes that look for one limit together learn none: each would take the refusals that its siblings cause
for the weather, and all would climb. One that knows of no other learns up to 0.05: it may be wrong.
No cut is below a quarter of the best that was borne lately.

The gate closes for all, for as long as the service asks, where most of the last calls were refused; else a refusal's
wait is its own image's (`call.py`), and the others go on.

After the dip the pace climbs by 0.5 % of the plateau, and twice that each 1.2 s: past the old limit after three
seconds, and from a quarter above it (the limit is another one) doubling each second as at the start: three times as
fast after eight seconds. Slow processes count calls instead of seconds (up to five times as slow), so that hundreds
climb no faster than they learn. Without a ceiling the first refusal above the plateau ends the climb there; it costs
no cut.

A share below one call a second meets the shares of other processes by chance: in some seconds more slots fall
together than the service admits, though their sum is within the limit. Such a refusal moves the slots on by a little,
out of the crowd, so that processes which know nothing of each other come to lie evenly. Those that do know of each
other have a `Grid`: the slots of all lie evenly on the wall clock, each member's at its rank. One whose pace was cut
takes fewer of its own slots and no other's, where it would be refused again and its neighbours with it. When their
number changes, a member takes the next slot of the new grid: on the average it loses none and gains none. Clocks that
differ only make the slots less even. Denser shares lie on the grid too: three streams of 13.2 calls a second have 14
each in some seconds, and would have them in the same one. There who was late returns to its slots little by little
(what is made up for at once is a call too many in that second), and 0.985 R is used, as each is late by chance of its
own.

From CUBIC: back to where it was lost, then flat, then ever steeper; not its cubes, an exponential finds a limit that
tripled in half the time. From Netflix's concurrency-limits: no growth while the limit is not used. From the AWS SDK's
adaptive mode: cut to what was measured, not by a factor of the target; unlike it, never for a single refusal.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

HEADROOM = 0.99
SHARED_HEADROOM = 0.985  # of processes that call for one rate: each is late by chance of its own
THIN, THIN_HEADROOM = 1.0, 0.97  # calls per second below which a share is thin
GRID_BELOW = 3.0  # calls per second: above it, who was late comes back to its slots little by little:
SOONER, LATER = 0.002, 0.02  # of an interval with each call; what is made up for at once is too much in that second
NUDGE = 0.1  # of an interval, at most: how far a refusal moves the slots of a thin share
LATE = 0.005  # a start this late (seconds) does not shift the slots behind it
START = 8.0
FLOOR = 0.05
USED = 1.5  # the pace may be so many times what is really called

USUAL, USUAL_FACTOR = 0.03, 1.5  # what a call takes off the sum of refusals
ENOUGH, ENOUGH_FACTOR = 3.0, 30.0  # the sum that is a rate
ENDS_CLIMB = 1.0  # the sum that ends a climb above what is known to be borne, where there is no ceiling
MOST_BACKGROUND, MOST_UNKNOWN = 0.12, 0.05  # below a given rate; where the limit is unknown
USUAL_IN_DIP = 0.5
EXPLAINS = 2.5  # times the background: so many refusals are explained by it
KEPT = 0.8  # of what earlier dips say
OF_LAST = 8  # outcomes: if half of them are refusals the gate closes
FOLLOWS = 1 / 200  # of the difference, per call: how the share of refusals follows

LEAST, FORGETS = 0.25, 15.0  # of the best that was borne, which halves in so many seconds
SAFE = 0.97  # of what was borne
DEEPEST = 0.5  # of the pace: no cut is deeper
DIP = 0.85  # of the pace after a cut
DIP_SECONDS, DIP_CALLS = 0.7, 4.0
FIRST_STEP, DOUBLES_IN = 0.005, 1.2  # of the climb: share of the plateau, seconds
NEW_GROUND = 1.25  # times the plateau: the limit is another one, and is looked for as at the start
SLOWEST = 5.0  # times the seconds of the climb, at most: the last ones of a list shall not crawl
SLOW, SLOW_BELOW_CEILING = 20.0, 10.0  # calls per second; below it the climb takes its time in calls
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # where a refusal names no wait


class Grid(NamedTuple):
    """Where a member's slots lie: `rank` of `members`; `offset` is the wall clock less the pacer's."""

    rank: int
    members: int
    offset: float

    def nearest(self, moment: float, interval: float) -> float:
        """The member's slot that is the nearest to a moment."""
        phase = self.rank / self.members * interval - self.offset
        return phase + round((moment - phase) / interval) * interval


class Pacer:
    """Slots for calls, and the pace (`rate`, calls per second) between them.

    Args:
      ceiling: calls per second never to exceed; None where the limit is unknown.
      phase: a random number from 0 to 1; processes that start together begin so far into the interval of their slots.
    """

    def __init__(self, ceiling: float | None, now: float, phase: float = 0.0) -> None:
        self.ceiling = _with_headroom(ceiling) if ceiling else float("inf")
        self.has_share = True
        self.is_alone = False  # no other process is known of
        self._grid: Grid | None = None
        self.rate = self.ceiling if ceiling else START
        self._plateau = self.ceiling if ceiling else None  # where the climb begins; None: nothing was found yet
        self._climbed = 0.0  # seconds
        self._next_slot = now + (phase / self.ceiling if ceiling else 0.0)
        self._closed_until = now
        self._adapted_at = now
        self._began, self._cut_at = now, float("-inf")
        self._best = 0.0
        self._dip: _Dip | None = None
        self._recent = _Recent()
        self._sum = 0.0
        self._background = _Background(MOST_BACKGROUND if ceiling else MOST_UNKNOWN)
        self._pause = FIRST_PAUSE

    @property
    def is_known(self) -> bool:
        """Whether the rate is a limit: given, or found."""
        return self._plateau is not None

    def is_held_back(self, now: float) -> bool:
        """Whether refusals hold the pace below what may be called."""
        return self.is_known and (self.rate < self.ceiling or now < self._closed_until)

    @property
    def _is_thin(self) -> bool:
        return self.ceiling < THIN * HEADROOM

    def share(self, rate: float, now: float, grid: Grid) -> None:
        """This process may call at another rate from now on, on a grid with others; at 0 it waits for a share."""
        self._adapt(now)
        is_dense = grid.members > 1 and rate >= GRID_BELOW
        ceiling, former = rate * (SHARED_HEADROOM if is_dense else HEADROOM), self._grid
        is_same = self.has_share and ceiling == self.ceiling and former is not None and former[:2] == grid[:2]
        self.has_share, self._grid = rate > 0, grid
        if rate == 0 or is_same:
            return
        self._scale(ceiling, now)
        if self._is_on_grid:
            after = now if self.ceiling < GRID_BELOW else self._next_slot
            self._next_slot = grid.nearest(after + 0.5 / self.rate, 1 / self.ceiling)

    @property
    def _is_on_grid(self) -> bool:
        return self._grid is not None and self._grid.members > 1

    def _back_to_grid(self, slot: float, interval: float) -> float:
        if self._grid is None or not self._is_on_grid:
            return slot
        own = self._grid.nearest(slot, 1 / self.ceiling)
        if self.ceiling < GRID_BELOW:
            return own
        return min(max(own, slot - SOONER * interval), slot + LATER * interval)

    def _scale(self, ceiling: float, now: float) -> None:
        """What it may call, and so what it bears, is so many times what it was, as others bear the rest."""
        factor = ceiling / self.ceiling
        self.rate = self.rate * factor if self.rate < self.ceiling else ceiling
        self.ceiling = ceiling
        self._sum, self._cut_at = 0.0, now
        self._best *= factor
        self._plateau = None if self._plateau is None else self._plateau * factor
        if self._dip:
            self._dip.scale(factor)
        self._next_slot = now + max(0.0, self._next_slot - now) / factor

    def lower(self, ceiling: float, now: float) -> None:
        """Never exceeds this ceiling either."""
        self._adapt(now)
        self.ceiling = min(self.ceiling, _with_headroom(ceiling))
        self.rate = min(self.rate, self.ceiling)
        self._plateau = min(self._plateau or self.ceiling, self.ceiling)

    def next_slot(self, now: float) -> float:
        """The earliest time at which a call may start; infinity without a share."""
        return max(self._next_slot, self._closed_until) if self.has_share else float("inf")

    def take(self, now: float) -> None:
        """Takes the slot that is due at `now`."""
        self._adapt(now)
        interval = 1 / self.rate
        start = max(self._next_slot, self._closed_until, now - min(interval, LATE))
        self._next_slot = self._back_to_grid(start + interval, interval)
        self._recent.started(now, self.rate)
        self._sum = max(0.0, self._sum - self._usual)
        if self._dip:
            self._dip.calls += 1

    def answered(self, now: float) -> None:
        """The service took a call."""
        self._recent.outcomes.append(False)
        self._background.follow(False)
        self._pause = FIRST_PAUSE

    def throttled(self, now: float, started: float, wait: float | None, nudge: float = 0.0) -> None:
        """The service refused a call and asked for a pause of `wait` seconds, or named none.

        Args:
          started: when the call took its slot.
          nudge: a random number from 0 to 1, to move a thin share's slots by.
        """
        self._recent.refused(started)
        self._background.follow(True)
        if self._is_thin:
            self._close(now, wait)
            self._move_slots(nudge)
        if started < self._cut_at:
            return
        self._sum += 1
        if self._dip:
            self._dip.refused += 1
        tolerated = ENOUGH_FACTOR * self._weather
        if self._sum >= ENOUGH + tolerated:
            self._cut(now)
            if self._recent.mostly_refused:
                self._close(now, wait)
        elif self._sum >= ENDS_CLIMB + tolerated and self._can_end_climb:
            self._end_climb(now)

    @property
    def _usual(self) -> float:
        return USUAL_IN_DIP if self._dip else USUAL + USUAL_FACTOR * self._weather

    @property
    def _weather(self) -> float:
        return self._background.share if self.is_alone or self.ceiling < float("inf") else 0.0

    def _close(self, now: float, wait: float | None) -> None:
        if wait is None and now < self._closed_until:
            return
        self._closed_until = max(self._closed_until, now + (self._pause if wait is None else wait))
        if wait is None:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _move_slots(self, nudge: float) -> None:
        interval = 1 / self.rate
        skipped = max(0, math.ceil((self._closed_until - self._next_slot) / interval))
        self._next_slot += (skipped + (0.0 if self._is_on_grid else NUDGE * nudge)) * interval

    def _cut(self, now: float) -> None:
        self._adapt(now)
        borne, refused = self._recent.borne(now, self.rate)
        self._best = max(borne, self._best * 0.5 ** ((now - max(self._cut_at, self._began)) / FORGETS))
        highest = self._plateau if self._dip and self._plateau else self.rate
        floor = min(max(FLOOR, LEAST * self._best), self.ceiling)
        plateau = min(highest, max(SAFE * borne, self.rate * DEEPEST, floor))
        self._dip = _Dip(now + max(DIP_SECONDS, DIP_CALLS / plateau), refused, self.rate, self._plateau)
        self._plateau, self._climbed = plateau, 0.0
        self.rate = max(plateau * DIP, min(FLOOR, self.ceiling))
        self._sum, self._cut_at, self._adapted_at = 0.0, now, now
        self._next_slot = max(self._next_slot, now + 1 / self.rate)

    @property
    def _can_end_climb(self) -> bool:
        is_above = self._plateau is not None and self.rate > self._plateau
        return is_above and self._dip is None and self.ceiling == float("inf")

    def _end_climb(self, now: float) -> None:
        assert self._plateau is not None
        borne, _ = self._recent.borne(now, self.rate)
        self._plateau = min(self.rate, max(self._plateau, SAFE * borne))
        self.rate, self._climbed = self._plateau, 0.0

    def _adapt(self, now: float) -> None:
        since, self._adapted_at = max(self._adapted_at, self._closed_until), now
        if self._dip:
            self._end_dip(self._dip, now)
        elif now > since and self._recent.rate(now, self.rate) * USED >= self.rate:
            self._climb(now - since)

    def _climb(self, seconds: float) -> None:
        plateau = self._plateau or self.rate
        slow = SLOW if self.ceiling == float("inf") else SLOW_BELOW_CEILING
        seconds = min(seconds, 1.0) / min(max(1.0, slow / max(plateau, self._best)), SLOWEST)
        self._climbed += seconds
        if self._plateau is None or self.rate > NEW_GROUND * plateau:
            self.rate *= 2**seconds
        else:
            step = FIRST_STEP * (2 ** (self._climbed / DOUBLES_IN) - 1)
            self.rate = max(self.rate, plateau * (1 + min(step, NEW_GROUND)))
        self.rate = min(self.rate, self.ceiling)

    def _end_dip(self, dip: _Dip, now: float) -> None:
        if now < max(dip.ends_at, self._closed_until + DIP_SECONDS):
            return
        assert self._plateau is not None
        self._background.learn(dip.calls, dip.refused)
        if 0 < dip.refused_before <= EXPLAINS * self._weather:
            self.rate, self._plateau = dip.rate_before, dip.plateau_before
        else:
            self.rate = self._plateau
        self.rate = min(self.rate, self.ceiling)
        self._dip, self._sum = None, 0.0


class _Dip:
    """The time after a cut, in which the pace is surely borne; and what was before it."""

    def __init__(self, ends_at: float, refused_before: float, rate_before: float, plateau_before: float | None) -> None:
        self.ends_at, self.refused_before = ends_at, refused_before
        self.rate_before, self.plateau_before = rate_before, plateau_before
        self.calls = self.refused = 0

    def scale(self, factor: float) -> None:
        self.rate_before *= factor
        self.plateau_before = None if self.plateau_before is None else self.plateau_before * factor


class _Background:
    """The share of refusals that is not for our pace: that of the last dips, and no more than is refused at all."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._calls = self._refused = self._overall = 0.0

    @property
    def share(self) -> float:
        in_dips = self._refused / self._calls if self._calls else 0.0
        return min(in_dips, max(self._overall, 0.0), self._most)

    def follow(self, is_refused: bool) -> None:
        self._overall += FOLLOWS * (is_refused - self._overall)

    def learn(self, calls: int, refused: int) -> None:
        if calls:
            self._calls, self._refused = KEPT * self._calls + calls, KEPT * self._refused + refused
            self._overall = max(self._overall, min(1.0, refused / calls))


class _Recent:
    """The calls of the last second (at a slow pace: the last few), and how the last ones ended."""

    def __init__(self) -> None:
        self._starts: deque[float] = deque()
        self._refusals: deque[float] = deque()
        self.outcomes: deque[bool] = deque(maxlen=OF_LAST)

    @property
    def mostly_refused(self) -> bool:
        return self.outcomes.count(True) * 2 >= len(self.outcomes)

    def started(self, now: float, rate: float) -> None:
        self._starts.append(now)
        self._forget(now - _span(rate))

    def refused(self, started: float) -> None:
        self._refusals.append(started)
        self.outcomes.append(True)

    def rate(self, now: float, rate: float) -> float:
        """Calls started per second."""
        self._forget(now - _span(rate))
        return len(self._starts) / _span(rate)

    def borne(self, now: float, rate: float) -> tuple[float, float]:
        """Calls started and not refused per second, and the share of the refused."""
        self._forget(now - _span(rate))
        starts, refusals = len(self._starts), len(self._refusals)
        return max(0, starts - refusals) / _span(rate), refusals / max(1, starts)

    def _forget(self, until: float) -> None:
        for times in (self._starts, self._refusals):
            while times and times[0] <= until:
                times.popleft()


def _span(rate: float) -> float:
    return max(1.0, 4 / rate)


def _with_headroom(ceiling: float) -> float:
    return ceiling * (THIN_HEADROOM if ceiling < THIN else HEADROOM)
