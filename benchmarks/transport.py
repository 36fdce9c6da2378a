"""What one call costs the client over plain HTTP and over TLS: CPU of our transport, and of bare `requests`.

Both post from as many threads as there are calls at once, over connections that are kept, and drop what they get.
Opening is the first call of each connection, with its share of making the client; over TLS also the reading of the
trusted certificates, which are those of `certifi` and the server's own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from image_analysis_beam.transforms.endpoint.address import PATH
from image_analysis_beam.transforms.endpoint.client import Client, Timeouts
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest

from .measure import median, print_machine, print_table
from .rivals import KEY, QUERY
from .server import Server

Post = Callable[[bytes], object]
SMALL, LARGE = b'{"url": "https://images.example/00000000.jpg"}', os.urandom(200 * 1024)
HEADERS = {"Ocp-Apim-Subscription-Key": KEY, "Content-Type": "application/octet-stream"}


def ours(endpoint: str, in_flight: int) -> Post:
    client = Client(endpoint, AnalyzeRequest(features=QUERY["features"]), Timeouts(), in_flight)
    return lambda body: client.post(body, HEADERS, time.monotonic() + 60)


def bare_requests(endpoint: str, in_flight: int) -> Post:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=in_flight))
    return lambda body: session.post(endpoint + PATH, params=QUERY, data=body, headers=HEADERS, timeout=30).content


def cpu_ms(calls: int, in_flight: int, post: Post, body: bytes) -> float:
    """Milliseconds of this process's CPU for each of the calls."""
    started = time.process_time()
    with ThreadPoolExecutor(in_flight) as pool:
        for _ in pool.map(post, [body] * calls):
            pass
    return (time.process_time() - started) / calls * 1000


def opening_ms(make: Callable[[str, int], Post], endpoint: str, in_flight: int) -> tuple[float, Post]:
    """The same for each connection's first call; and what posts over them from now on."""
    started, together = time.process_time(), Barrier(in_flight)
    post = make(endpoint, in_flight)

    def first(_: int) -> None:
        together.wait()
        post(SMALL)

    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(first, range(in_flight)))
    return (time.process_time() - started) / in_flight * 1000, post


def trusted(server: Server, folder: str) -> str:
    """The path of a file of all certificates to trust."""
    paths = [DEFAULT_CA_BUNDLE_PATH, *([server.ca_path] if server.ca_path else [])]
    together = Path(folder) / "trusted.pem"
    together.write_text("".join(Path(path).read_text() for path in paths))
    return str(together)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    parser.add_argument("--in_flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    figures = defaultdict(list)
    for _ in range(flags.rounds):
        for tls in (False, True):
            with Server(flags.latency, tls=tls) as server, tempfile.TemporaryDirectory() as folder:
                os.environ["REQUESTS_CA_BUNDLE"] = trusted(server, folder)
                for name, make in (("ours", ours), ("requests", bare_requests)):
                    opening, post = opening_ms(make, server.url, flags.in_flight)
                    small = cpu_ms(flags.calls, flags.in_flight, post, SMALL)
                    large = cpu_ms(flags.calls // 4, flags.in_flight, post, LARGE)
                    figures[f"{name}, {'https' if tls else 'http'}"].append((small, large, opening))
    print_machine()
    print_table(
        f"CPU of a call, {flags.in_flight} in flight, medians of {flags.rounds}",
        ["", "ms, image URL", "ms, 200 KiB of bytes", "ms, opening a connection"],
        [[name, *map(median, zip(*rounds, strict=True))] for name, rounds in sorted(figures.items())],
    )


if __name__ == "__main__":
    main()
