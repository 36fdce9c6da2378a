"""Processes that share a rate, by the emulator's count: they come, die, and belong to other jobs."""

import subprocess
import sys
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest

from image_analysis_beam.emulator import EmulatorProcess
from image_analysis_beam.transforms.fleet.shares import GONE_AFTER, WAITS
from image_analysis_beam.transforms.ledger.liveness import beat_seconds

RATE = 40
STAND_INS = Path(__file__).parents[1] / "stand_ins"
SCRIPT = STAND_INS / "calling_process.py"


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


@pytest.mark.long
def test_one_of_four_processes_that_cannot_reach_the_service_does_not_eat_the_list(
    emulator, run, pictures, monkeypatch, tmp_path
):
    url = urlsplit(emulator.url)
    monkeypatch.setenv("PYTHONPATH", str(STAND_INS / "sick"))
    monkeypatch.setenv("SICK_PORT", str(url.port))
    monkeypatch.setenv("SICK_FILE", str(tmp_path / "sick"))
    emulator.set_faults({"latency": {"seconds": 0.05}})
    folder = pictures(800)[0].parent
    processes = "--direct_running_mode", "multi_processing", "--direct_num_workers", "4", "--outage_patience", "3"
    ran = run("--images", folder / "*.png", "--endpoint", emulator.url, *processes, rate="40")
    accounts = ran.manifest["conservation"]
    print(ran.err, accounts, ran.manifest["deferred"])
    assert accounts["analyzed"] + accounts["deferred"] == accounts["input"] == 800
    assert accounts["deferred"] <= 800 / 3
    sick = (tmp_path / "sick").read_text()
    assert f"process {sick}" in ran.err
    assert ran.code == 3
