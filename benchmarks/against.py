"""Our job and what a user would use instead, against one server of fixed latency, taken in turn.

The physical limit is calls at once / latency. The steady rate is the server's count of answers per second between the
10th and the 90th hundredth of them, so that nobody's start or end is in it. CPU and memory are of the whole process:
ours reads the list, plans, journals, flattens, writes all tables and the report; the others drop what they get.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from .measure import Cost, median, our_job, print_machine, print_table, run
from .rivals import KEY
from .server import Server

FEATURES = "caption,denseCaptions,tags,objects,people,smartCrops,read"


class Contestant(NamedTuple):
    """`share` of the images that it gets: the slow ones would take hours for all of them."""

    title: str
    rival: str = ""
    threads: int = 0
    share: float = 1.0


CONTESTANTS = (
    Contestant("image-analysis-beam: URIs to Parquet of all tables"),
    Contestant("requests, 64 threads, answers dropped", "requests"),
    Contestant("Azure SDK, 64 threads", "sdk", share=0.25),
    Contestant("Azure SDK, asyncio", "async-sdk", share=0.25),
    Contestant("a batch of 64 at a time in a DoFn", "batches"),
    Contestant("RequestResponseIO, DirectRunner, 1 thread", "request-response-io", 1, 0.01),
    Contestant("RequestResponseIO, DirectRunner, 64 threads", "request-response-io", 64, 0.25),
)


def compete(contestant: Contestant, server: Server, folder: Path, images: int, in_flight: int) -> tuple[Cost, int]:
    """Lets one of them go; what it took, and for how many images."""
    number = max(100, int(images * contestant.share))
    uris = folder / f"{number}.txt"
    uris.write_text("".join(f"https://images.example/{index:08d}.jpg\n" for index in range(number)))
    if contestant.rival:
        flags = ["--endpoint", server.url, "--sources", str(uris), "--in_flight", str(contestant.threads or in_flight)]
        return run([sys.executable, "-m", "benchmarks.rivals", contestant.rival, *flags]), number
    with tempfile.TemporaryDirectory(dir=folder) as output:
        flags = ["--input", str(uris), "--output", output, "--features", FEATURES, "--max_in_flight", str(in_flight)]
        environment = {"VISION_ENDPOINT": server.url, "VISION_KEY": KEY}
        return run(our_job(*flags, "--requests_per_second", "100000"), environment), number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds")
    parser.add_argument("--in_flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    limit = flags.in_flight / flags.latency
    figures = defaultdict(list)
    with Server(flags.latency) as server, tempfile.TemporaryDirectory() as name:
        for _ in range(flags.rounds):
            for contestant in CONTESTANTS:
                server.reset()
                cost, number = compete(contestant, server, Path(name), flags.images, flags.in_flight)
                stats = server.stats()
                assert stats["calls"] == number, f"{contestant.title}: {stats['calls']} calls for {number} images"
                figures[contestant].append((stats["steady_rate"], cost, number))
    print_machine()
    rows = []
    for contestant, rounds in figures.items():
        rate = median(rate for rate, _, _ in rounds)
        cpu = median(cost.cpu_seconds / number * 1000 for _, cost, number in rounds)
        memory = median(cost.peak_mib for _, cost, _ in rounds)
        rows.append([contestant.title, rounds[0][2], rate, rate / limit, cpu, memory])
    print_table(
        f"{flags.latency * 1000:.0f} ms, {flags.in_flight} in flight, limit {limit:.0f} images/s, "
        f"medians of {flags.rounds}",
        ["", "images", "images/s", "share of the limit", "CPU ms/image", "peak MiB"],
        rows,
    )


if __name__ == "__main__":
    main()
