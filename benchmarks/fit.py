"""`--fit`: photographs of 12 megapixels, made of samples: bytes sent, images a second, how well the rate is used."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops

from image_analysis_beam.transforms.endpoint.fitting import fit
from image_analysis_beam.transforms.endpoint.request import MAX_IMAGE_BYTES

from .measure import our_job, print_machine, print_table, run
from .rivals import KEY
from .server import Server

SIDES = 4000, 3000


def make_photographs(folder: Path, samples: list[Path], number: int) -> list[Path]:
    """Photographs of 12 megapixels: a part of a sample each, enlarged, with the grain of a sensor."""
    source = random.Random(7)
    grain = Image.effect_noise(SIDES, 12)

    def make(index: int, left: float, top: float) -> Path:
        with Image.open(samples[index % len(samples)]) as sample:
            image = sample.convert("RGB")
        width = min(image.width, image.height * 4 / 3) * 0.9
        box = (left * (image.width - width), top * (image.height - width * 3 / 4))
        large = image.resize(SIDES, Image.Resampling.BICUBIC, (*box, box[0] + width, box[1] + width * 3 / 4))
        path = folder / f"{index:04d}.jpg"
        ImageChops.add(large, grain.convert("RGB"), offset=-128).save(path, quality=90)
        return path

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        places = [(index, source.random(), source.random()) for index in range(number)]
        return list(pool.map(make, *zip(*places, strict=True)))


def make_samples(folder: Path) -> list[Path]:
    """Clouds of several sizes on each other, where there are no samples."""
    paths = []
    for number in range(4):
        image = Image.new("RGB", (1200, 900), "grey")
        for size in (4, 16, 64, 256):
            bands = [Image.effect_noise((size, size), 90).resize(image.size, Image.Resampling.BICUBIC) for _ in "RGB"]
            image = Image.blend(image, Image.merge("RGB", bands), 0.4)
        paths.append(folder / f"sample-{number}.png")
        image.save(paths[-1])
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--fit", type=int, default=1600)
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second of the second run")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds")
    parser.add_argument("--samples", type=Path, help="folder of pictures; made if left out")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = sorted(flags.samples.glob("*.[jp]*g")) if flags.samples else make_samples(folder)
        paths = make_photographs(folder, samples, flags.images)
        print_machine()
        print_table(f"{flags.images} photographs, fitted alone", *_alone(paths, flags.fit))
        print_table(f"{flags.images} photographs, --fit {flags.fit}", *_runs(folder, paths, flags))


def _alone(paths: list[Path], side: int) -> tuple[list[str], list[list[object]]]:
    rows: list[list[object]] = []
    whole = sum(os.stat(path).st_size for path in paths)
    for threads in (1, os.cpu_count() or 1):
        started, worked = time.monotonic(), time.process_time()
        with ThreadPoolExecutor(threads) as pool:
            sent = sum(pool.map(lambda path: len(fit(path.read_bytes(), side, MAX_IMAGE_BYTES).body), paths))
        rate, cpu = len(paths) / (time.monotonic() - started), (time.process_time() - worked) / len(paths) * 1000
        rows.append([f"{threads} threads", rate, cpu, whole / sent])
    return ["", "images/s", "CPU ms/image", "bytes read / sent"], rows


def _runs(folder: Path, paths: list[Path], flags: argparse.Namespace) -> tuple[list[str], list[list[object]]]:
    listed = folder / "paths.txt"
    listed.write_text("\n".join(map(str, paths)))
    rows: list[list[object]] = []
    with Server(flags.latency, small=True) as server:
        for rate in (flags.rate, 1000.0):
            server.reset()
            command = our_job(
                *("--input", str(listed), "--output", str(folder / f"out-{rate:g}"), "--features", "tags"),
                *("--requests_per_second", str(rate), "--fit", str(flags.fit)),
            )
            cost = run(command, {"VISION_ENDPOINT": server.url, "VISION_KEY": KEY})
            steady = server.stats()["steady_rate"]
            cpu = cost.cpu_seconds / len(paths) * 1000
            rows.append([f"{rate:g} calls/s", steady, steady / rate if rate == flags.rate else "", cpu, cost.peak_mib])
    return ["limit", "images/s", "share of the limit", "CPU ms/image", "peak MiB"], rows


if __name__ == "__main__":
    main()
