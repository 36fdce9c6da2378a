"""Does a run stay as fast and as small when it grows? And how fast is a run with nothing left to call?

2 thousand to 200 thousand images against a server of 5 ms and a small answer, DirectRunner in memory. The second run
over the same folder scans what was answered; its rate is of the seconds above those of the same over the smallest.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from .measure import Cost, our_job, print_machine, print_table, run
from .rivals import KEY
from .server import Server


def job(server: Server, folder: Path, images: int) -> Cost:
    """A run over that many images, to a folder of their own."""
    uris = folder / f"{images}.txt"
    uris.write_text("".join(f"https://images.example/{index:08d}.jpg\n" for index in range(images)))
    flags = ["--input", str(uris), "--output", str(folder / f"out-{images}"), "--features", "tags"]
    environment = {"VISION_ENDPOINT": server.url, "VISION_KEY": KEY}
    return run(our_job(*flags, "--requests_per_second", "100000"), environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    parser.add_argument("--latency", type=float, default=0.005, help="seconds")
    flags = parser.parse_args()
    runs, scans = [], {}
    with Server(flags.latency, small=True) as server, tempfile.TemporaryDirectory() as name:
        for images in flags.images:
            server.reset()
            cost = job(server, Path(name), images)
            stats = server.stats()
            assert stats["calls"] == images
            rate, first = stats["steady_rate"], runs[0][1] if runs else stats["steady_rate"]
            runs.append([f"{images:,}", rate, rate / first, cost.cpu_seconds / images * 1000, cost.peak_mib])
            scans[images] = job(server, Path(name), images)
            assert server.stats()["calls"] == images, "an answered image was called again"
    print_machine()
    print_table(
        f"First run, {flags.latency * 1000:.0f} ms",
        ["images", "images/s", "of the smallest", "CPU ms/image", "peak MiB"],
        runs,
    )
    smallest = min(scans)
    print_table(
        "Second run: everything is answered",
        ["images", "seconds", "images/s above the smallest", "peak MiB"],
        [
            [
                f"{images:,}",
                cost.seconds,
                (images - smallest) / (cost.seconds - scans[smallest].seconds) if images > smallest else None,
                cost.peak_mib,
            ]
            for images, cost in scans.items()
        ],
    )


if __name__ == "__main__":
    main()
