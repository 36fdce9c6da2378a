"""Answered images are looked at many at once, and each goes to one place."""

from __future__ import annotations

from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.files import store
from image_analysis_beam.transforms.files.store import Found
from image_analysis_beam.transforms.ledger.content import Content
from image_analysis_beam.transforms.ledger.plan import Case
from image_analysis_beam.transforms.ledger.redrive import RedrivePolicy
from image_analysis_beam.transforms.look_again import LookAgain
from image_analysis_beam.transforms.packing import pack
from stand_ins.slow_store import SlowStore

IMAGES = 400


class WithEtags(SlowStore):
    """Every tenth object was written again, every hundredth is gone."""

    def find(self, path: str) -> Found | None:
        self._request()
        number = int(path.rpartition("/")[2])
        return None if number % 100 == 99 else Found(path, 5, 0.0, "new" if number % 10 == 0 else "old")


@pytest.fixture
def slow(monkeypatch):
    slow = WithEtags(seconds=0.02)
    monkeypatch.setitem(store.MAKERS, "slow", lambda options: slow)
    return slow


def test_many_at_once(slow):
    cases = [
        Case(ImageRef.of(f"slow://bucket/{number}"), [], False, False, 0, {Content("old", 5, None): 1})
        for number in range(IMAGES)
    ]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        looked = (
            pipeline
            | beam.Create([pack([case]) for case in cases], reshuffle=False)
            | LookAgain(None, "", ["tags"], RedrivePolicy("changed"))
        )
        total = looked["counts"] | beam.CombineGlobally(lambda many: dict(sum(map(Counter, many), Counter())))
        assert_that(
            looked["to_do"] | beam.Map(lambda to_do: to_do.image.uri),
            equal_to([f"slow://bucket/{n}" for n in range(0, IMAGES, 10)]),
            "called",
        )
        assert_that(total, equal_to([{"to_do.changed": 40, "skipped.answered": 356, "skipped.unseen": 4}]), "counted")
    assert (slow.requests, slow.most_at_once) == (IMAGES, 32)
