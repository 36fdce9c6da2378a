"""What a user would use instead, each as a process of its own: `python -m benchmarks.rivals NAME --endpoint URL …`.

Every one is written as its documentation shows it, with the same number of calls at once, and drops what it gets.
Sources are image URLs, or paths of files that are sent as bytes.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apache_beam as beam
import requests
from apache_beam.io.requestresponse import Caller, RequestResponseIO
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.aio import ImageAnalysisClient as AsyncImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

KEY = "emulator-key"
PATH = "/computervision/imageanalysis:analyze"
FEATURES = list(VisualFeatures)
QUERY = {"api-version": "2024-02-01", "features": ",".join(feature.value for feature in FEATURES)}


class Poster:
    """One POST with `requests` and a pool of connections."""

    def __init__(self, endpoint: str, in_flight: int) -> None:
        self._url = endpoint + PATH
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=in_flight))

    def __call__(self, source: str) -> bytes:
        if source.startswith("http"):
            body: dict[str, Any] = {"json": {"url": source}}
        else:
            body = {"data": Path(source).read_bytes(), "headers": {"Content-Type": "application/octet-stream"}}
        headers = {"Ocp-Apim-Subscription-Key": KEY, **body.pop("headers", {})}
        reply = self._session.post(self._url, params=QUERY, headers=headers, timeout=30, **body)
        reply.raise_for_status()
        return reply.content


def with_requests(endpoint: str, sources: list[str], in_flight: int) -> None:
    """`requests` and a pool of threads."""
    post = Poster(endpoint, in_flight)
    with ThreadPoolExecutor(in_flight) as pool:
        for _ in pool.map(post, sources):
            pass


def with_sdk(endpoint: str, sources: list[str], in_flight: int) -> None:
    """The Azure SDK and a pool of threads; one client, as it is thread-safe."""
    with ImageAnalysisClient(endpoint, AzureKeyCredential(KEY)) as client, ThreadPoolExecutor(in_flight) as pool:

        def analyze(source: str) -> None:
            try:
                if source.startswith("http"):
                    client.analyze_from_url(source, FEATURES)
                else:
                    client.analyze(Path(source).read_bytes(), FEATURES)
            except HttpResponseError:
                pass

        for _ in pool.map(analyze, sources):
            pass


def with_async_sdk(endpoint: str, sources: list[str], in_flight: int) -> None:
    """The Azure SDK with asyncio: as many tasks as calls at once, fed from one iterator."""

    async def work(client: AsyncImageAnalysisClient, left: Iterator[str]) -> None:
        for source in left:
            await client.analyze_from_url(source, FEATURES)

    async def all_of_them() -> None:
        left = iter(sources)
        async with AsyncImageAnalysisClient(endpoint, AzureKeyCredential(KEY)) as client:
            await asyncio.gather(*(work(client, left) for _ in range(in_flight)))

    asyncio.run(all_of_them())


class _BeamCaller(Caller):  # type: ignore[misc]
    """For RequestResponseIO: one session per process."""

    def __init__(self, endpoint: str, in_flight: int) -> None:
        self._endpoint, self._in_flight, self._shared = endpoint, in_flight, Shared()

    def __call__(self, source: str, *args: object, **kwargs: object) -> bytes:
        return self._shared.acquire(lambda: Poster(self._endpoint, self._in_flight))(source)


def with_request_response_io(endpoint: str, sources: list[str], in_flight: int) -> None:
    """Beam's RequestResponseIO on the DirectRunner in memory; `in_flight` is the number of its threads."""
    with beam.Pipeline(options=_options(in_flight)) as pipeline:
        _ = (
            pipeline
            | beam.Create(sources)
            | beam.Reshuffle()
            | RequestResponseIO(_BeamCaller(endpoint, in_flight))
            | beam.Map(len)
        )


class _BatchAtATime(beam.DoFn):  # type: ignore[misc]
    """A thread pool per batch: the next batch waits for the last straggler of this one."""

    def __init__(self, endpoint: str, in_flight: int) -> None:
        self._endpoint, self._in_flight = endpoint, in_flight

    def setup(self) -> None:
        self._post = Poster(self._endpoint, self._in_flight)
        self._pool = ThreadPoolExecutor(self._in_flight)

    def process(self, batch: list[str]) -> Iterator[bytes]:
        yield from self._pool.map(self._post, batch)

    def teardown(self) -> None:
        self._pool.shutdown()


def with_batches(endpoint: str, sources: list[str], in_flight: int) -> None:
    """BatchElements and a DoFn that sends a batch through a pool of threads."""
    with beam.Pipeline(options=_options(1)) as pipeline:
        _ = (
            pipeline
            | beam.Create(sources)
            | beam.BatchElements(in_flight, in_flight)
            | beam.ParDo(_BatchAtATime(endpoint, in_flight))
            | beam.Map(len)
        )


def _options(threads: int) -> PipelineOptions:
    mode = {"direct_running_mode": "multi_threading", "direct_num_workers": threads} if threads > 1 else {}
    return PipelineOptions(runner="FnApiRunner", **mode)


RIVALS: dict[str, Callable[[str, list[str], int], None]] = {
    "requests": with_requests,
    "sdk": with_sdk,
    "async-sdk": with_async_sdk,
    "request-response-io": with_request_response_io,
    "batches": with_batches,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=RIVALS)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--sources", required=True, help="a file with a source per line")
    parser.add_argument("--in_flight", type=int, default=64)
    flags = parser.parse_args()
    RIVALS[flags.name](flags.endpoint, Path(flags.sources).read_text().split(), flags.in_flight)


if __name__ == "__main__":
    main()
