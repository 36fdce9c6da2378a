"""Ctrl-C and SIGTERM: the run ends within seconds at any time, nothing paid for is lost, no call begins after it."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic

import pytest

from image_analysis_beam.pipeline.stopping import PATIENCE, STOPPED, Phase
from stand_ins.forked import Forked

IN_FLIGHT = 8
RATE = 60
IMAGES = 150
MODES = {
    "in memory": [],
    "multi-threading": ["--direct_running_mode=multi_threading", "--direct_num_workers=2"],
    "multi-processing": ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
}
SOME_MODES = [
    "in memory",
    *(pytest.param(f"multi-{way}", marks=pytest.mark.long) for way in ("threading", "processing")),
]


class Command:
    """The command in a process group of its own, as a shell starts it, which is told to stop at some moment."""

    def __init__(self, emulator, *flags, command="run", start=Forked):
        self.emulator = emulator
        self.process = start(
            [sys.executable, "-m", "image_analysis_beam.pipeline", command, *map(str, flags)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_python(self):
        """Until it hears signals: before that they are the interpreter's."""

        def hears():
            blocked = re.search(r"SigBlk:\s*(\w+)", Path(f"/proc/{self.process.pid}/status").read_text())
            return int(blocked[1], 16) >> signal.SIGINT - 1 & 1

        self.wait_until(hears)

    def wait_until(self, condition):
        while self.process.poll() is None and not condition():
            threading.Event().wait(0.005)

    def wait_for_calls(self, number):
        self.wait_until(lambda: self.calls >= number)

    @property
    def calls(self):
        return self.emulator.stats()["calls"]

    def press(self, signal_number=signal.SIGINT, whole_group=True):
        """Ctrl-C on a terminal goes to the whole group, a `kill` to one process."""
        self.calls_before = self.calls
        if self.process.poll() is None:
            (os.killpg if whole_group else os.kill)(self.process.pid, signal_number)

    def end(self, timeout=3 * PATIENCE):
        """Seconds until it ended; the calls that came in after it was told to stop."""
        started = monotonic()
        self.out, self.err = self.process.communicate(timeout=timeout)
        assert "Traceback" not in self.err, self.err
        assert not os.listdir(os.environ["TMPDIR"])
        return monotonic() - started, self.calls - self.calls_before


@pytest.fixture
def flags(emulator, pictures, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    folder = pictures(IMAGES)[0].parent
    emulator.set_faults({"latency": {"seconds": 0.05}})
    return [
        *("--images", folder / "*.png", "--output", tmp_path / "out", "--features", "tags"),
        *("--requests_per_second", RATE, "--max_in_flight", IN_FLIGHT),
    ]


def check_nothing_was_lost(emulator, run, flags):
    """The next run calls what was not answered, and nothing else."""
    before = emulator.stats()["calls"]
    finished = run(*flags, features=None)
    assert finished.code == 0, finished.err
    assert finished.rows("images", "count(distinct image_id), count(*)") == [(IMAGES, IMAGES)]
    return before, emulator.stats()["calls"] - before


@pytest.mark.parametrize(
    ("mode", "whole_group"),
    [
        pytest.param("in memory", False, id="in memory-kill"),
        pytest.param("multi-processing", True, id="multi-processing-terminal"),
        pytest.param("in memory", True, id="in memory-terminal", marks=pytest.mark.long),
        pytest.param("multi-processing", False, id="multi-processing-kill", marks=pytest.mark.long),
        pytest.param("multi-threading", True, id="multi-threading-terminal", marks=pytest.mark.long),
        pytest.param("multi-threading", False, id="multi-threading-kill", marks=pytest.mark.long),
    ],
)
def test_calls_in_flight_end_and_the_rest_is_deferred(emulator, run, flags, tmp_path, mode, whole_group):
    command = Command(emulator, *flags, *MODES[mode])
    command.wait_for_calls(40)
    command.press(whole_group=whole_group)
    seconds, late = command.end()
    assert command.process.returncode == STOPPED, command.err
    assert seconds < PATIENCE
    assert late <= 2 * IN_FLIGHT + RATE
    assert "stopping: calls in flight end" in command.err
    assert "interrupted: the run was told to stop; run the same command again" in command.err
    (manifest,) = (json.loads(path.read_text()) for path in (tmp_path / "out" / "runs").glob("*.json"))
    analyzed = manifest["conservation"]["analyzed"]
    assert analyzed + manifest["deferred"]["interrupted"] == IMAGES
    assert analyzed == command.calls
    assert sum(check_nothing_was_lost(emulator, run, flags)) == IMAGES


def test_while_planning_it_ends_at_once(emulator, run, flags):
    command = Command(emulator, *flags, start=subprocess.Popen)
    command.wait_for_python()
    command.press()
    seconds, _ = command.end()
    assert (command.process.returncode, command.calls) == (STOPPED, 0)
    assert seconds < PATIENCE
    assert len(command.err.splitlines()) <= 2
    assert check_nothing_was_lost(emulator, run, flags) == (0, IMAGES)


@pytest.mark.parametrize("mode", SOME_MODES)
def test_the_second_one_stops_at_once(emulator, run, flags, mode):
    at_once, for_ever = ({"kind": "slow", "seconds": seconds} for seconds in (0, 60))
    rules = [{"match": {"first": 30}, "fault": at_once}, {"match": {}, "fault": for_ever}]
    emulator.set_faults({"rules": rules})
    command = Command(emulator, *flags, *MODES[mode])
    command.wait_for_calls(35)
    command.press()
    threading.Event().wait(0.3)
    command.press(signal.SIGTERM)
    seconds, _ = command.end()
    assert command.process.returncode == STOPPED
    assert seconds < PATIENCE
    assert command.err.splitlines()[-1].startswith("incomplete: interrupted; what was answered is in the journal")
    emulator.set_faults({"rules": []})
    before, after = check_nothing_was_lost(emulator, run, flags)
    assert before + after <= IMAGES + 2 * IN_FLIGHT


@pytest.mark.long
def test_the_last_line_knows_of_a_commit(emulator, flags, tmp_path):
    """Told twice to stop when its manifest is there already, and its workers are not gone yet."""
    command = Command(emulator, *flags, *MODES["multi-processing"])
    runs = tmp_path / "out" / "runs"
    command.wait_until(lambda: list(runs.glob("*.json")))
    command.press()
    command.press(signal.SIGTERM)
    command.end()
    assert command.process.returncode == 0, command.err
    assert "in the journal" not in command.err
    assert re.search("is committed and complete|the tables are there", command.err.splitlines()[-1])


@pytest.mark.long
def test_sigterm_is_a_ctrl_c(emulator, run, flags):
    command = Command(emulator, *flags, "--quiet")
    command.wait_for_calls(20)
    command.press(signal.SIGTERM, whole_group=False)
    command.end()
    assert command.process.returncode == STOPPED
    assert "interrupted: the run was told to stop" in command.err


def test_after_its_end_it_is_too_late(tmp_path):
    """The interpreter takes its time to end."""
    late = "import atexit; atexit.register(lambda: (print('leaving', flush=True), input()))"
    show = f"import sys; sys.argv = ['image-analysis-beam', 'show', '{tmp_path}/nothing']"
    program = f"{late}; {show}; from image_analysis_beam.pipeline.__main__ import main; sys.exit(main())"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = Forked([sys.executable, "-c", program], **pipes, text=True)
    assert process.stdout.readline() == "leaving\n"
    process.send_signal(signal.SIGINT)
    assert process.wait() == 2
    assert "Traceback" not in process.communicate()[1]


def test_what_is_stopped_before_it_began_says_what_to_do(capsys):
    assert Phase().end() == STOPPED
    assert capsys.readouterr().err.endswith("stopped; nothing is lost, run the same command again\n")


@pytest.fixture(scope="module")
def seconds_of_a_run(tmp_path_factory):
    """`seconds_of_a_run(mode)`: how long one takes that nobody disturbs, measured once."""
    measured = {}

    def measure(mode, emulator, flags):
        if mode not in measured:
            output = tmp_path_factory.mktemp("whole")
            undisturbed = Command(emulator, *flags, "--output", output, *MODES[mode], start=subprocess.Popen)
            undisturbed.press(signal_number=0)
            measured[mode], _ = undisturbed.end(timeout=120)
            emulator.reset()
        return measured[mode]

    return measure


@pytest.mark.long
@pytest.mark.parametrize("moment", range(20))
@pytest.mark.parametrize("mode", MODES)
def test_at_a_random_moment(emulator, run, flags, seconds_of_a_run, mode, moment):
    """Half of them anywhere in the time that such a run takes, from its first instruction on, half among its calls."""
    whole = seconds_of_a_run(mode, emulator, flags)
    random_moments = random.Random(f"{mode} {moment}")
    command = Command(emulator, *flags, *MODES[mode], start=subprocess.Popen)
    command.wait_for_python()
    if moment % 2:
        threading.Event().wait(random_moments.uniform(0, whole))
    else:
        command.wait_for_calls(random_moments.randint(1, IMAGES))
    command.press(whole_group=bool(moment % 4 > 1))
    seconds, late = command.end()
    before, after = check_nothing_was_lost(emulator, run, flags)
    print(f"{mode}: {seconds:.1f} s to the end, {late} calls came in, {before} + {after} calls in both runs")
    assert command.process.returncode in (0, STOPPED)
    assert seconds < PATIENCE + 5
    assert late <= 2 * IN_FLIGHT + RATE
    assert before + after <= IMAGES + 2 * IN_FLIGHT
