"""`--take_over RUN_ID`: for who knows better than the beats of a run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import newest_entry
from stand_ins.forked import Forked

IMAGES = 400
IN_FLIGHT = 8
RATE = 20
SECONDS = 5  # a beat, the calls in flight, and the end of a process


@pytest.fixture
def flags(emulator, pictures, tmp_path):
    folder = pictures(IMAGES)[0].parent
    return [
        *("--images", folder / "*.png", "--output", tmp_path / "out", "--features", "tags"),
        *("--max_in_flight", IN_FLIGHT, "--requests_per_second"),
    ]


@pytest.fixture
def alive(emulator, flags):
    """A run that calls, in a process of its own."""
    command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *map(str, [*flags, RATE])]
    with Forked(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and emulator.stats()["calls"] < 10:
            time.sleep(0.01)
        yield process
        process.kill()


def undecided(output):
    return newest_entry(Layout(str(output))).run_id


def test_a_run_that_is_alive_ends_and_says_who_took_it_over(alive, emulator, flags, run, tmp_path):
    run_id = undecided(tmp_path / "out")
    refused = run(*flags, RATE, "--take_over", "20200101T000000Z-0000", features=None)
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == (
        "image-analysis-beam: take_over '20200101T000000Z-0000': it does not own the output: "
        f"the undecided run is {run_id}; leave it out (docs/troubleshooting.md#another-run-owns-the-output)"
    )
    assert alive.poll() is None
    assert undecided(tmp_path / "out") == run_id

    taker = run(*flags, 2000, "--take_over", run_id, features=None)
    assert taker.code == 0, taker.err
    assert f"taking over the answers of {run_id}, which did not end" in taker.err
    _, said = alive.communicate(timeout=60)
    assert alive.returncode == 5
    assert "Traceback" not in said
    last = f"image-analysis-beam: run {run_id} was taken over by {taker.manifest['run_id']}; what it had answered"
    assert said.splitlines()[-1].startswith(last)
    again = run(*flags, 2000, features=None)
    assert again.manifest["skipped"] == {"answered": IMAGES}
    assert again.rows("images", "count(*), count(distinct image_id)") == [(IMAGES, IMAGES)]
    assert emulator.stats()["calls"] <= IMAGES + IN_FLIGHT + SECONDS * RATE


def test_a_run_that_has_ended_cannot_be_taken_over(emulator, run, pictures):
    paths = ["--images", pictures(2)[0].parent / "*.png"]
    ended = re.search(r"run=([^/]+)/", run(*paths).out)[1]
    refused = run(*paths, "--take_over", ended)
    assert refused.code == 2
    assert f"take_over '{ended}': it does not own the output: no run is undecided; leave it out" in refused.err
    assert len(os.listdir(refused.output / "runs" / "log")) == 1
