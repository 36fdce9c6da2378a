"""Images of 200 KB from disk, sent as bytes: images a second, and bytes in flight, beside `requests` and threads."""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import tempfile
from pathlib import Path

from PIL import Image

from .measure import our_job, print_machine, print_table, run
from .rivals import KEY
from .server import Server


def make_images(folder: Path, images: int, distinct: int = 16) -> list[str]:
    """JPEG files of about 200 KB: a few pictures, each file with an end of its own, so that none is a copy."""
    source = random.Random(7)
    originals = []
    for _ in range(min(distinct, images)):
        original = io.BytesIO()
        picture = Image.frombytes("RGB", (554, 554), source.randbytes(554 * 554 * 3))
        picture.save(original, "JPEG", quality=80)
        originals.append(original.getvalue())
    paths = [folder / f"{index:06d}.jpg" for index in range(images)]
    for index, path in enumerate(paths):
        path.write_bytes(originals[index % len(originals)] + index.to_bytes(4, "big"))
    return [str(path) for path in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds")
    parser.add_argument("--in_flight", type=int, default=64)
    flags = parser.parse_args()
    limit, rows = flags.in_flight / flags.latency, []
    with Server(flags.latency) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_images(folder, flags.images)
        size = sum(os.stat(path).st_size for path in paths) / len(paths)
        listed = folder / "paths.txt"
        listed.write_text("\n".join(paths))
        in_flight = ["--in_flight", str(flags.in_flight)]
        commands = {
            "image-analysis-beam: paths to Parquet": our_job(
                *("--input", str(listed), "--output", str(folder / "out"), "--features", "tags"),
                *("--requests_per_second", "100000", "--max_in_flight", str(flags.in_flight)),
            ),
            "requests, threads, answers dropped": [
                *(sys.executable, "-m", "benchmarks.rivals", "requests", "--endpoint", server.url),
                *("--sources", str(listed), *in_flight),
            ],
        }
        for title, command in commands.items():
            server.reset()
            cost = run(command, {"VISION_ENDPOINT": server.url, "VISION_KEY": KEY})
            stats = server.stats()
            assert stats["calls"] == flags.images
            rate, held = stats["steady_rate"], stats["peak_bytes_in_flight"] / 2**20
            cpu = cost.cpu_seconds / flags.images * 1000
            rows.append([title, rate, rate / limit, rate * size / 2**20, held, cpu, cost.peak_mib])
    print_machine()
    print_table(
        f"{flags.images:,} files of {size / 1024:.0f} KiB, limit {limit:.0f} images/s",
        ["", "images/s", "share of the limit", "MiB/s", "MiB in flight", "CPU ms/image", "peak MiB"],
        rows,
    )


if __name__ == "__main__":
    main()
