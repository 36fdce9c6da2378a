"""How much of a limit of 50 calls a second is used, and how many calls are refused: ours, and what a user would use.

The server is the emulator with a sliding window of one second, a process of its own; the images are small files sent
as bytes. The share is of all that the limit would have let pass between the first call and the last one, ramp included.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from image_analysis_beam.emulator import EmulatorProcess

from .measure import our_job, print_machine, print_table, run
from .rivals import KEY


class Contestant(NamedTuple):
    """Ours with `flags`, or a `rival`."""

    title: str
    flags: tuple[str, ...] = ()
    rival: str = ""


CONTESTANTS = (
    Contestant("image-analysis-beam, rate given", ("--requests_per_second", "{limit}")),
    Contestant("image-analysis-beam, rate unknown"),
    Contestant("Azure SDK as shipped, 64 threads", rival="sdk"),
    Contestant("RequestResponseIO, DirectRunner, 64 threads", rival="request-response-io"),
)


def compete(contestant: Contestant, server: EmulatorProcess, sources: list[str], limit: int) -> None:
    """Lets one of them go; a rival may give up, which its figures then show."""
    with tempfile.TemporaryDirectory() as name:
        listed = Path(name) / "uris.txt"
        listed.write_text("\n".join(sources))
        if contestant.rival:
            flags = ["--endpoint", server.url, "--sources", str(listed)]
            try:
                run([sys.executable, "-m", "benchmarks.rivals", contestant.rival, *flags])
            except RuntimeError as error:
                print(f"{contestant.title}: {str(error).splitlines()[-1][:200]}", file=sys.stderr)
            return
        flags = ["--input", str(listed), "--output", f"{name}/out", "--features", "tags"]
        given = [flag.format(limit=limit) for flag in contestant.flags]
        run(our_job(*flags, *given), {"VISION_ENDPOINT": server.url, "VISION_KEY": KEY})


def figures(stats: dict[str, Any], images: int, limit: int) -> list[object]:
    """Images answered, share of the limit used, share of calls refused, calls for each image answered."""
    busy = [int(second) for second, counts in stats["per_second"].items() if counts["arrivals"]]
    answered, refused = stats["by_status"].get("200", 0), stats["by_status"].get("429", 0)
    used = answered / (limit * max(1, max(busy) - min(busy)))
    return [f"{answered / images:.1%}", used, f"{refused / stats['calls']:.2%}", stats["calls"] / max(1, answered)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3_000)
    parser.add_argument("--limit", type=int, default=50, help="calls a second")
    flags = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        sources = [_picture(Path(folder) / f"{index:06d}.png", index) for index in range(flags.images)]
        for contestant in CONTESTANTS:
            with EmulatorProcess("--key", KEY, "--limit", f"sliding:{flags.limit}/1") as server:
                compete(contestant, server, sources, flags.limit)
                rows.append([contestant.title, *figures(server.stats(), flags.images, flags.limit)])
    print_machine()
    print_table(
        f"{flags.images:,} images, limit {flags.limit}/s",
        ["", "answered", "share of the limit", "429", "calls/answer"],
        rows,
    )


def _picture(path: Path, index: int) -> str:
    image = Image.new("RGB", (64, 64), (index % 256, index // 256, 128))
    image.save(path)
    return str(path)


if __name__ == "__main__":
    main()
