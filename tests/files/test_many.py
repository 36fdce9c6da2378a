"""Many files cost many requests, not many waits."""

from __future__ import annotations

import resource
import threading
from time import monotonic

import pytest

from image_analysis_beam.transforms.files import store
from image_analysis_beam.transforms.files.many import (
    in_parallel,
    list_folder,
    read_many,
    remove_folder,
    remove_many,
    rename_many,
)
from image_analysis_beam.transforms.files.store import store_of
from stand_ins.slow_store import SlowStore


@pytest.fixture
def slow(monkeypatch):
    """`slow://`: 20 ms a request, 50 at once."""
    slow = SlowStore()
    monkeypatch.setitem(store.MAKERS, "slow", lambda options: slow)
    return slow


def test_every_file_of_each_store(folder):
    moves = [(f"{folder}/staging/{number}", f"{folder}/table [1]/run=1/{number}") for number in range(12)]
    for source, _ in moves:
        store_of(folder).put(source, b"x")
    store_of(folder).put(f"{folder}/table 1/other", b"x")
    for _ in range(2):
        rename_many(moves)
        assert [*read_many(path for pair in moves for path in pair)] == [None, b"x"] * 12
    assert sorted(file.path for file in list_folder(f"{folder}/table [1]")) == sorted(target for _, target in moves)
    remove_many(target for _, target in moves[:5])
    remove_many(target for _, target in moves[:5])
    assert len([*list_folder(f"{folder}/table [1]/")]) == 7
    for _ in range(2):
        remove_folder(f"{folder}/table [1]")
        assert [file.path for file in list_folder(folder)] == [f"{folder}/table 1/other"]


def test_nothing_to_do_is_nothing(folder):
    remove_many([])
    rename_many([])
    remove_folder(f"{folder}/none")
    assert [*read_many([])] == [*list_folder(f"{folder}/none")] == []


def test_requests_go_side_by_side(slow):
    moves = [(f"slow://out/staging/{number}", f"slow://out/tags/{number}") for number in range(1000)]
    slow.names = {source for source, _ in moves} | {f"slow://out/journal/{number}" for number in range(500)}
    rename_many(moves)
    assert slow.requests == 2000
    assert slow.most_at_once == 50
    remove_folder("slow://out/journal")
    assert slow.requests == 2000 + 1 + 5
    assert slow.names == {target for _, target in moves}


def test_the_first_error_ends_it_and_names_the_file(slow):
    slow.names = {f"slow://out/a/{number}" for number in range(400)}
    moves = [(f"slow://out/a/{number}", f"slow://out/b/{number}") for number in range(390, 800)]
    with pytest.raises(FileNotFoundError, match="slow://out/a/400"):
        rename_many(moves)
    assert slow.requests < 2 * 410
    assert {target for source, target in moves if source in slow.names} == set(), "one was neither here nor there"


def test_items_are_taken_as_they_can_be_worked_on():
    taken, held = [], threading.Event()

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 0:
            assert held.wait(30)
        return -number

    results = in_parallel(work, items(), at_once=4)
    threading.Timer(0.2, held.set).start()
    assert next(results) == 0
    assert len(taken) <= 10
    assert list(results) == [-number for number in range(1, 1000)]


@pytest.mark.long
@pytest.mark.parametrize(("renames", "removals", "seconds"), [(10_000, 5_000, 60), (10_000, 300_000, 300)])
def test_a_large_run_is_published_and_tidied_in_time(slow, renames, removals, seconds):
    given = most_in_hand = 0

    def names(table: str, number: int):
        return (f"slow://out/{table}/run=20261124T000000Z-0000/{index:032x}.parquet" for index in range(number))

    def watched(paths):
        nonlocal given, most_in_hand
        for path in paths:
            given += 1
            most_in_hand = max(most_in_hand, given - (whole - len(slow.names)))
            yield path

    slow.names = {*names("staging", renames), *names("journal", removals)}
    whole, started, memory = len(slow.names), monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rename_many(zip(names("staging", renames), names("tags", renames), strict=True))
    remove_many(watched(names("journal", removals)))
    took, grown = monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    print(f"{renames} renames, {removals} removals: {took:.1f} s, {slow.requests} requests, {grown >> 10} MB more")
    assert took < seconds
    assert most_in_hand <= 2 * 50 * 100 + 100
    assert len(slow.names) == renames
