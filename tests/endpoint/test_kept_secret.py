"""A secret that threads share: one fetch at a time, one failure for all, nothing thrown away that is newer."""

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from image_analysis_beam.transforms.endpoint.kept_secret import (
    FAILURE_SECONDS,
    SAME_SECONDS,
    CredentialError,
    CredentialUnavailable,
    KeptSecret,
)

THREADS = 16


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Gives what it has been told to, in order; the last of it again and again."""

    def __init__(self, *gives: str | Exception, seconds: float = 60) -> None:
        self.gives, self.seconds, self.asked = list(gives), seconds, 0

    def __call__(self) -> tuple[str, float]:
        given = self.gives[min(self.asked, len(self.gives) - 1)]
        self.asked += 1
        if isinstance(given, Exception):
            raise given
        return given, self.seconds


def at_once(work: Callable[[], object]) -> list[object]:
    """What the same work comes to in many threads that start together."""
    barrier = threading.Barrier(THREADS)

    def run() -> object:
        barrier.wait(30)
        try:
            return work()
        except CredentialError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result(30) for future in [pool.submit(run) for _ in range(THREADS)]]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(clock):
    return KeptSecret(clock)


def test_threads_share_one_fetch(kept):
    source = Source("a", "b")
    assert at_once(partial(kept.get, source)) == ["a"] * THREADS
    assert source.asked == 1


def test_an_expired_one_is_fetched_anew_by_one_of_them(kept, clock):
    source = Source("a", "b", seconds=60)
    kept.get(source)
    clock.now += 60
    assert at_once(partial(kept.get, source)) == ["b"] * THREADS
    assert source.asked == 2


@pytest.mark.parametrize("failure", [CredentialError("no key"), CredentialUnavailable("away")])
def test_threads_share_one_failure(kept, clock, failure):
    source = Source(failure, "a")
    errors = at_once(partial(kept.get, source))
    assert source.asked == 1
    assert {(type(error), str(error)) for error in errors} == {(type(failure), str(failure))}
    assert len(set(map(id, errors))) == THREADS, "a traceback of one thread is no matter of the others"
    clock.now += FAILURE_SECONDS
    assert kept.get(source) == "a"


def test_a_wait_that_was_asked_for_is_kept_to(kept, clock):
    source = Source(CredentialUnavailable("busy", wait=30), "a")
    waits = []
    for _ in range(3):
        with pytest.raises(CredentialUnavailable) as error:
            kept.get(source)
        waits.append(error.value.wait)
        clock.now += 10
    assert (waits, source.asked) == ([30, 20, 10], 1)
    assert kept.get(source) == "a"


def test_who_was_refused_gets_the_one_that_a_neighbour_fetched(kept):
    source = Source("old", "new", "newer")
    assert kept.get(source) == "old"
    assert at_once(partial(kept.has_another, "old", source)) == [True] * THREADS
    assert kept.get(source) == "new"
    assert source.asked == 2


def test_one_that_comes_back_the_same_is_not_asked_for_again_and_again(kept, clock):
    source = Source("wrong", "wrong", "right")
    kept.get(source)
    assert at_once(partial(kept.has_another, "wrong", source)) == [False] * THREADS
    assert source.asked == 2
    clock.now += SAME_SECONDS
    assert kept.has_another("wrong", source)
    assert kept.get(source) == "right"
    assert source.asked == 3


def test_where_the_next_one_is_refused_too_it_is_looked_for_again(kept):
    source = Source("a", "a", "b", "c", seconds=0)
    assert kept.get(source) == "a"
    assert not kept.has_another("a", source)
    assert kept.get(source) == "b"
    assert kept.has_another("b", source)
    assert source.asked == 4


def test_whoever_looks_in_vain_is_told_why_by_the_next_call(kept):
    source = Source("old", CredentialUnavailable("away"), "new")
    kept.get(source)
    assert kept.has_another("old", source)
    with pytest.raises(CredentialUnavailable, match="away"):
        kept.get(source)
    assert source.asked == 2


def test_a_pickled_one_is_empty(kept):
    kept.get(Source("CANARY"))
    pickled = pickle.dumps(kept)
    assert b"CANARY" not in pickled
    assert pickle.loads(pickled).get(Source("another")) == "another"
