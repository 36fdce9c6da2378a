"""Pillow's test images with `--fit`: an answer for each that Pillow decodes to 50 pixels, a reason for the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / ".venv" / "engines" / "pillow"
DECODED = """
import sys, warnings
from PIL import Image
warnings.simplefilter("ignore")
for path in sys.stdin.read().split("\\n"):
    try:
        with Image.open(path) as image:
            image.load()
            if min(image.size) >= 50 and image.format != "EPS":
                print(path)
    except Exception:
        pass
"""
FITTED = """
import json, resource, sys, time, warnings
from image_analysis_beam.transforms.endpoint.fitting import fit
from image_analysis_beam.transforms.endpoint.pictures import PayloadFault
warnings.simplefilter("ignore")
slowest = 0
for path in sys.stdin.read().split("\\n"):
    data, begun = open(path, "rb").read(), time.process_time()
    try:
        fit(data, int(sys.argv[1]), 20 * 2**20)
    except PayloadFault as error:
        assert error.fault == "invalid_image" and str(error)
    slowest = max(slowest, time.process_time() - begun)
print(json.dumps({"seconds": slowest, "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def images() -> list[str]:
    return [os.path.join(folder, name) for folder, _, names in os.walk(IMAGES) for name in sorted(names)]


def in_a_process(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, input="\n".join(images()), capture_output=True, text=True, check=True).stdout


pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not IMAGES.exists(), reason="needs Pillow's test images, which .ci/long fetches"),
]


@pytest.mark.parametrize("side", ["16000", "1600"])
def test_none_takes_long_or_much_memory(side):
    took = json.loads(in_a_process(FITTED, side))
    assert took["seconds"] < 3
    assert took["mebibytes"] < 500


@pytest.mark.filterwarnings("ignore")
def test_what_pillow_decodes_is_accepted_and_the_rest_says_why(emulator, run, listed):
    wanted = set(in_a_process(DECODED).split("\n")) - {""}
    assert len(wanted) > 600
    finished = run("--input", listed(images()), "--fit", 16000)
    answered = {path for (path,) in finished.rows("images", "image_uri")}
    assert wanted - answered == set()
    letters = finished.rows("dead_letters", "class, message, image_uri")
    assert {name for name, _, _ in letters} == {"invalid_image", "rejected_image"}
    assert all(message for _, message, _ in letters)
    assert finished.manifest["conservation"]["deferred"] == 0
