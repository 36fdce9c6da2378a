"""A limiter that jobs share: asked right before the request, and again after a pause."""

import time
from collections import deque

import apache_beam as beam
import pytest
from apache_beam.io.components.rate_limiter import RateLimiter
from apache_beam.options.pipeline_options import PipelineOptions

from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings


class Metered(RateLimiter):
    """So many calls in any half second; counts what it said."""

    CALLS, SECONDS = 10, 0.5
    said: dict[bool, int]
    allowed: deque[float]

    def __init__(self):
        pass

    def allow(self, hits_added=1):
        now = time.monotonic()
        while Metered.allowed and Metered.allowed[0] <= now - self.SECONDS:
            Metered.allowed.popleft()
        says = len(Metered.allowed) < self.CALLS
        if says:
            Metered.allowed.append(now)
        Metered.said[says] += 1
        return says


@pytest.fixture
def metered(emulator, pictures):
    """60 images through the limiter, against a service that admits little more than it."""
    Metered.said, Metered.allowed = {True: 0, False: 0}, deque()
    emulator.set_faults({"limits": [{"kind": "sliding", "calls": 15, "seconds": 0.4}]})
    settings = CallSettings(requests_per_second=2000, max_in_flight=16)
    request = AnalyzeRequest(features="tags")
    with beam.Pipeline(options=PipelineOptions(runner="FnApiRunner")) as p:
        analyze = AnalyzeImages(
            request, emulator.url, settings=settings, rate_limiter=Metered(), error_handling={"output": "failures"}
        )
        p | beam.Create(list(map(str, pictures(60)))) | analyze
    return emulator.stats()


def test_what_it_allowed_is_called_at_once_and_a_no_is_followed_by_a_pause(metered):
    assert metered["by_status"]["200"] == 60
    assert 60 <= metered["calls"] == Metered.said[True] < 120, "a pause of the machine bunches some that are refused"
    assert Metered.said[False] < 500
