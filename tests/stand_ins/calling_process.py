"""A process that calls by a lease, for `tests/integration/test_fleet.py`: URL, folder, R, R / P or "-", image."""

from __future__ import annotations

import sys
from concurrent.futures import wait

from image_analysis_beam.transforms.endpoint.admission import Waiter
from image_analysis_beam.transforms.endpoint.call import Caller
from image_analysis_beam.transforms.endpoint.lane import LANES
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.resource import Resource
from image_analysis_beam.transforms.endpoint.settings import CallSettings
from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.files.storage import read_first
from image_analysis_beam.transforms.sharing import join_fleet

CALLS = 10_000  # more than are made


def main(url: str, folder: str, rate: str, at_start: str, image: str) -> None:
    share, settings = None if at_start == "-" else float(at_start), CallSettings()
    resource = Resource(url, requests_per_second=float(rate), process_share=share)
    lanes = LANES.acquire([resource], settings, [folder], join_fleet)
    caller, bundle = (
        Caller(lanes, AnalyzeRequest(features="tags"), [resource.credential], settings, read_first),
        Waiter(),
    )
    lanes.admission.more_to_come(bundle)
    lanes.want()
    calls = [lanes.pool.submit(caller.analyze, ImageRef.of(image), bundle) for _ in range(CALLS)]
    lanes.admission.no_more_to_come(bundle)
    wait(calls)
    LANES.release(lanes)


if __name__ == "__main__":
    main(*sys.argv[1:])
