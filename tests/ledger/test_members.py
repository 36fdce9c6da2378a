"""Leave to call: it ends by either clock, is had by a beat only, and not in a run that is over."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from image_analysis_beam.transforms.files.local import LocalStore
from image_analysis_beam.transforms.fleet.beats import VALID_BEATS
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.liveness import beat_seconds, launcher
from image_analysis_beam.transforms.ledger.members import Member, Members, remove_members
from image_analysis_beam.transforms.ledger.records import commit, fence
from image_analysis_beam.transforms.ledger.start import start_run

RUN = "20261125T000000Z-0000"


class Clocks:
    """A clock that counts suspension, and the wall clock."""

    def __init__(self):
        self.counting, self.wall = 1000.0, 2e9

    def __call__(self):
        return self.counting, self.wall


class Watcher:
    def __init__(self):
        self.reasons = []

    def trip(self, reason, detail):
        self.reasons.append((reason, detail))


@pytest.fixture
def layout(tmp_path):
    """An output folder that the run owns."""
    start_run(str(tmp_path / "out"), RUN)
    return Layout(str(tmp_path / "out"))


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def member(layout, clocks):
    """A member that beats when it is told to, and when its leave has ended."""
    return Member(layout, RUN, launcher(layout, RUN), clocks)


@pytest.fixture
def last(layout):
    return VALID_BEATS * beat_seconds(layout.output)


def beats(layout):
    with open(launcher(layout, RUN)) as file:
        return json.load(file)["beat"]


def test_who_is_taken_over_in_the_midst_of_a_beat_learns_it(layout, member, monkeypatch):
    """It stood still; meanwhile another run has fenced it, committed, and removed its beats."""
    put = LocalStore.put

    def too_late(self, path, *more):
        monkeypatch.setattr(LocalStore, "put", put)
        fence(layout, RUN, by="20261125T000001Z-0000")
        raise FileNotFoundError(path)

    monkeypatch.setattr(LocalStore, "put", too_late)
    assert not member.may_call()
    assert member.is_over


def test_a_beat_that_cannot_be_written_is_told_of(layout, clocks, monkeypatch):
    def full(self, path, *more):
        raise OSError("no space left")

    monkeypatch.setattr(LocalStore, "put", full)
    with pytest.raises(OSError, match="no space"):
        Member(layout, RUN, launcher(layout, RUN), clocks, patience=0).may_call()


def test_whoever_has_not_beaten_does_so_before_its_first_call(layout, member):
    assert member.may_call()
    assert beats(layout) == 1


@pytest.mark.parametrize("clock", ["counting", "wall"])
def test_leave_ends_by_either_clock(layout, member, clocks, last, clock):
    member.beat()
    setattr(clocks, clock, getattr(clocks, clock) + last)
    assert member.may_call()
    assert beats(layout) == 1
    setattr(clocks, clock, getattr(clocks, clock) + 0.001)
    assert member.may_call()
    assert beats(layout) == 2


def test_leave_is_counted_from_before_the_beat(layout, member, clocks, last, monkeypatch):
    """What the record said is as old as the moment it was asked for."""
    read = LocalStore.read

    def slowly(store, path):
        found = read(store, path)
        clocks.counting += last + 1
        return found

    monkeypatch.setattr(LocalStore, "read", slowly)
    member.beat()
    monkeypatch.undo()
    fence(layout, RUN, by="another")
    assert not member.may_call()


def test_a_beat_that_took_too_long_gives_no_leave(layout, member, clocks, last, monkeypatch):
    """The process was stopped between reading the record and the end of its beat."""
    member.beat()
    put = LocalStore.put

    def stopped_meanwhile(store, path, data):
        fence(layout, RUN, by="another")
        clocks.counting += 2 * last
        put(store, path, data)

    clocks.counting += last + 0.1
    monkeypatch.setattr(LocalStore, "put", stopped_meanwhile)
    assert not member.may_call()
    assert member.is_over


@pytest.mark.parametrize("decide", [lambda layout: fence(layout, RUN, by="another"), lambda at: commit(at, RUN, {})])
def test_it_learns_that_the_run_is_over_when_its_leave_ends(layout, member, clocks, last, decide):
    watcher = Watcher()
    member.watch(watcher)
    member.beat()
    decide(layout)
    assert member.may_call()
    assert watcher.reasons == []
    clocks.wall += last + 1
    assert not member.may_call()
    assert watcher.reasons == [("interrupted", "the run was taken over, or has ended")]
    assert beats(layout) == 1, "who is late says no more that the run is alive"


def test_one_beat_gives_leave_to_all_threads_that_wait_for_it(layout, member, clocks, monkeypatch):
    put, asked, all_are_late = LocalStore.put, count(1), threading.Event()

    def time_is_asked():
        if next(asked) == 8 + 1:  # by each thread, and for the beat
            all_are_late.set()
        return clocks()

    def when_all_wait(store, path, data):
        assert all_are_late.wait(30)
        put(store, path, data)

    monkeypatch.setattr(LocalStore, "put", when_all_wait)
    member.beats._clocks = time_is_asked
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: member.may_call(), range(8)))
    assert beats(layout) == 1


def test_over_is_for_ever(layout, member, clocks):
    fence(layout, RUN, by="another")
    member.beat()
    assert not member.may_call()
    clocks.counting = clocks.wall = -1e9
    assert not member.may_call()


def test_who_watches_a_run_that_is_over_is_told(layout, member):
    fence(layout, RUN, by="another")
    member.beat()
    late = Watcher()
    member.watch(late)
    assert late.reasons


def test_storage_that_is_away_gives_no_leave(member, clocks, last, monkeypatch):
    member.beat()
    clocks.counting += last + 1

    def away(*_):
        raise OSError("storage is away")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "read", away)
        with pytest.raises(OSError, match="away"):
            member.may_call()
        patched.undo()
        patched.setattr(LocalStore, "put", away)
        with pytest.raises(OSError, match="away"):
            member.may_call()
    assert member.may_call()
    assert not member.is_over


def test_a_run_that_nobody_started_needs_no_beats(tmp_path, clocks):
    layout = Layout(str(tmp_path / "new"))
    member = Member(layout, RUN, launcher(layout, RUN), clocks)
    member.start()
    clocks.counting, clocks.wall = 1e12, 1e12
    assert member.may_call()
    assert not os.path.exists(layout.output)


def test_what_is_noted_is_said_at_once_and_goes_on_to_be_said(layout, member):
    member.note({"job": {"id": "1"}})
    member.beat()
    with open(launcher(layout, RUN)) as file:
        assert json.load(file) == {"beat": 2, "job": {"id": "1"}}


def test_a_process_is_one_member_as_long_as_anybody_uses_it(layout):
    members = Members()
    member = members.join(layout.output, RUN)
    assert members.join(layout.output, RUN) is member
    assert len(os.listdir(layout.members(RUN))) == 1
    members.leave(layout.output, RUN)
    assert members.join(layout.output, RUN) is member
    for _ in range(2):
        members.leave(layout.output, RUN)
    assert members.join(layout.output, RUN) is not member
    members.leave(layout.output, RUN)


def test_what_was_said_is_removed_with_the_run(layout, member):
    member.beat()
    remove_members(layout, RUN)
    assert not os.path.exists(os.path.dirname(layout.members(RUN)))
