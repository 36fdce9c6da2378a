"""Processes that share a rate, by the emulator's count: they come, die, and belong to other jobs."""

import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from image_analysis_beam.emulator import EmulatorProcess
from image_analysis_beam.transforms.fleet.shares import GONE_AFTER, WAITS
from image_analysis_beam.transforms.ledger.liveness import beat_seconds

RATE = 40
SCRIPT = Path(__file__).parents[1] / "stand_ins" / "calling_process.py"


@pytest.fixture
def emulator(monkeypatch):
    """One that limits nothing, but counts, in a process of its own."""
    with EmulatorProcess("--key", "key") as running:
        running.set_faults({"latency": {"seconds": 0.05}})
        monkeypatch.setenv("VISION_KEY", "key")
        yield running


@pytest.fixture
def start(emulator, pictures, tmp_path):
    """`start(at_start)`: a process that shares the rate; all end with the test."""
    folder, image, started = str(tmp_path / "share"), str(pictures(1)[0]), []

    def one(at_start="-"):
        command = [sys.executable, SCRIPT, emulator.url, folder, str(RATE), str(at_start), image]
        started.append(subprocess.Popen(command))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.wait()


def wait(seconds):
    Event().wait(seconds)


def used(emulator, seconds):
    """The share of the rate that is called in the seconds to come."""
    before = emulator.stats()
    wait(seconds)
    after = emulator.stats()
    return (after["calls"] - before["calls"]) / (after["seconds"] - before["seconds"]) / RATE


def wait_for_leases(folder, number):
    """Until so many processes have shares, or will have them in three beats; and so long."""
    while len(list(folder.glob("*,live"))) != number:
        wait(0.1)
    wait((WAITS + 1) * beat_seconds(str(folder)))


@pytest.mark.long
def test_four_processes_use_the_rate_and_one_that_is_killed_leaves_its_share_to_the_others(emulator, start, tmp_path):
    processes = [start(at_start=RATE / 4) for _ in range(4)]
    wait_for_leases(tmp_path / "share", 4)
    assert used(emulator, 5) > 0.9
    processes[0].kill()
    wait((GONE_AFTER + 2) * beat_seconds(str(tmp_path)))
    assert used(emulator, 5) > 0.9
    assert emulator.stats()["most_accepted_in_1s"] <= RATE


@pytest.mark.long
def test_a_second_job_joins_and_leaves(emulator, start, tmp_path):
    for _ in range(2):
        start()
    wait_for_leases(tmp_path / "share", 2)
    second = start()
    wait_for_leases(tmp_path / "share", 3)
    assert used(emulator, 5) > 0.9
    second.kill()
    wait((GONE_AFTER + 2) * beat_seconds(str(tmp_path)))
    assert used(emulator, 5) > 0.9
    assert emulator.stats()["most_accepted_in_1s"] <= RATE
