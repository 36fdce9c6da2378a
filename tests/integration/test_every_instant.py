"""A run may end, or stop, at any instant: the same command again completes the work, and pays for nothing twice."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from itertools import count

import pyarrow.parquet as pq
import pytest

from image_analysis_beam.schemas import TABLES
from stand_ins import instants
from stand_ins.forked import Forked
from stand_ins.instants import ENDED

GOOD, BAD = 9, 3
IMAGES = GOOD + BAD
IN_FLIGHT = 4
PARTS = 8
BEAT = 0.2  # of runs that stop: leave to call has run out when they go on


@pytest.fixture
def job(emulator, pictures, tmp_path):
    emulator.set_faults({"rules": [{"match": {"width": 77}, "fault": "image_format"}]})
    pictures(BAD, width=77)
    return Job(emulator, pictures(GOOD)[0].parent, tmp_path)


class Instants(Forked):
    """The command, which may end, or stop, at an instant of its own."""

    def __init__(self, said, flags, **how):
        self.said = said
        with said.open("w") as file:
            command = [sys.executable, instants.__file__, json.dumps(how), *flags]
            super().__init__(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def has_stopped(self):
        """Waits until it has, or has ended."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if not (stopped := os.WIFSTOPPED(status)):
            self.returncode = os.waitstatus_to_exitcode(status)
        return stopped


class Job:
    """Runs of 12 images, in one output folder after the other."""

    def __init__(self, emulator, images, folder):
        self.emulator, self.images, self.folder = emulator, images, folder
        self.numbers = count()
        self.begin_anew()
        whole = self.start()
        self.end(whole)
        self.instants = int(whole.said.read_text().rpartition("instants: ")[2])
        self.expected = rows_of(self.output, self.committed())
        assert self.expected["images"].total() == GOOD
        assert self.expected["dead_letters"].total() == BAD

    def begin_anew(self):
        self.output, self.runs = self.folder / f"out-{next(self.numbers)}", []
        self.before = self.emulator.stats()["calls"]

    @property
    def calls(self):
        return self.emulator.stats()["calls"] - self.before

    def start(self, *more, **how):
        flags = ["run", "--images", f"{self.images}/*.png", "--output", str(self.output), "--features", "tags,read"]
        flags += ["--requests_per_second", "2000", "--max_in_flight", str(IN_FLIGHT), "--quiet", *more]
        self.runs.append(Instants(self.folder / f"said-{next(self.numbers)}", flags, output=str(self.output), **how))
        return self.runs[-1]

    def end(self, run, *codes):
        code = run.wait()
        assert code in (codes or (0,)), self.told()
        return code

    def told(self):
        return "\n".join(f"-- {run.pid}:\n{run.said.read_text()}" for run in self.runs)

    def committed(self):
        records = [json.loads(path.read_text()) for path in (self.output / "runs").glob("*.json")]
        return [record for record in records if record["status"] == "committed"]

    def durable(self):
        """How many outcomes the next run need not pay for."""
        committed = rows_of(self.output, self.committed())
        journalled = {row for path in self.output.glob("journal/*/*/*.parquet") for row in ids_of(path)}
        return len(journalled | set(committed["images"]) | set(committed["dead_letters"]))

    def die_at(self, instant):
        self.end(self.start(at=instant), 0, ENDED)

    def again(self):
        """The same command, undisturbed: it calls for what is not durable, and once for that."""
        durable, before = self.durable(), self.calls
        self.end(self.start())
        paid = self.calls - before
        assert IMAGES - durable <= paid <= IMAGES - durable + IN_FLIGHT, self.told()  # a dead run's calls may come late
        self.check()

    def check(self):
        """Every image in one committed place and one row, every file a committed one, nothing else left."""
        committed = self.committed()
        assert rows_of(self.output, committed) == self.expected, self.told()
        named = {name for record in committed for table in record["tables"].values() for name in table["files"]}
        known = {path for name in ("runs/*.json", "runs/log/*.json") for path in self.output.glob(name)}
        files = {path for path in self.output.rglob("*") if path.is_file()} - known
        left = {path.relative_to(self.output).as_posix() for path in files if not is_unfinished_entry(path)}
        assert left == named, self.told()


def is_unfinished_entry(path):
    """Of who ended while it made an entry or a record: nobody can tell whether it still does."""
    return path.name.startswith(".") and path.parent.name in ("log", "runs")


def nameless(path, folder):
    """A path without what differs from run to run."""
    return re.sub(r"[0-9a-f]{32}|\d{8}T\d{6}Z-[0-9a-f]{4}", "", path.relative_to(folder).as_posix())


def ids_of(path):
    return pq.ParquetFile(path).read(["image_id"])["image_id"].to_pylist()


def rows_of(output, committed):
    """How many rows each image has in each table, over all committed runs."""
    rows = {name: Counter() for name in TABLES}
    for record in committed:
        for table, entry in record["tables"].items():
            for name in entry["files"]:
                rows[table].update(ids_of(output / name))
    return rows


def sample(job, number):
    """Instants from one end of a run to the other."""
    return [1 + (2 * index + 1) * job.instants // (2 * number) for index in range(number)]


def part(job, number):
    """A stretch of all instants, one of `PARTS`."""
    return range(1 + number * job.instants // PARTS, 1 + (number + 1) * job.instants // PARTS)


def ends(job, instants):
    """One that leaves the same behind as an earlier one is no other case."""
    seen = set()
    for instant in instants:
        job.begin_anew()
        job.die_at(instant)
        left = (job.durable(), *sorted(nameless(path, job.output) for path in job.output.rglob("*")))
        if left not in seen:
            job.again()
        seen.add(left)


def ends_twice(job, pairs):
    for first, second in pairs:
        job.begin_anew()
        job.die_at(first)
        job.die_at(second)
        job.again()


def stands_still(job, instants):
    """One run stops; another one runs to its end meanwhile, which it may be unless the first owns the folder."""
    for instant in instants:
        job.begin_anew()
        first = job.start(at=instant, stops=True)
        if not first.has_stopped():
            continue
        second = job.end(job.start(), 0, 5)
        first.send_signal(signal.SIGCONT)
        codes = {second, job.end(first, 0, 5)}
        assert 0 in codes, job.told()
        assert job.calls == IMAGES, job.told()
        job.check()


def is_taken_over(job, instants):
    """One run stops and another one takes the folder over; then the first goes on, and learns it."""
    for instant in instants:
        job.begin_anew()
        first = job.start(at=instant, stops=True, beat=BEAT)
        if not first.has_stopped():
            continue
        owners = [json.loads(path.read_text())["run_id"] for path in job.output.glob("runs/log/*.json")]
        undecided = [run for run in owners if not (job.output / "runs" / f"{run}.json").exists()]
        durable, paid = job.durable(), job.calls
        job.end(job.start(*(f"--take_over={run}" for run in undecided), beat=BEAT))
        first.send_signal(signal.SIGCONT)
        job.end(first, 5 if undecided else 0, 5)
        assert job.calls <= paid + IMAGES - durable + IN_FLIGHT, job.told()
        job.again()


def test_ends_at_an_instant(job):
    ends(job, sample(job, 3))


@pytest.mark.long
def test_stands_still_while_another_runs(job):
    stands_still(job, sample(job, 3))


@pytest.mark.long
def test_is_taken_over_while_it_stands_still(job):
    is_taken_over(job, sample(job, 1))


@pytest.mark.long
@pytest.mark.parametrize("number", range(PARTS))
@pytest.mark.parametrize("what", [ends, stands_still, is_taken_over])
def test_every_instant(job, what, number):
    what(job, part(job, number))


@pytest.mark.long
@pytest.mark.parametrize("number", range(PARTS))
def test_the_next_run_ends_too(job, number):
    moments = random.Random(number)
    ends_twice(job, [(moments.randint(1, job.instants), moments.randint(1, job.instants)) for _ in range(8)])
