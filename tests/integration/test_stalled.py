"""A run on another machine stalls, is taken over, and wakes up: each image is in the tables once, and paid once."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import duckdb
import pytest

from image_analysis_beam.transforms import write_tables
from image_analysis_beam.transforms.files.storage import write_whole
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_files, committed_runs, newest_entry
from image_analysis_beam.transforms.ledger.records import fence, is_committed, read_record
from image_analysis_beam.transforms.ledger.tidy import remove_traces

IMAGES = 300
IN_FLIGHT = 16
RATE = 100
OWNED = 5
AGE = 7200  # seconds
SECONDS = 60
MODES = {
    "in memory": (),
    "multi-processing": ("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
}
FINAL_WRITES = ["staging/*/*", "images/*/*", "responses/*/*", "runs/*.json"]
ALL = [(mode, moment) for mode in MODES for moment in range(10)]
USUAL = [("in memory", 6)]
UNSHARE = ("unshare", "-Urpf", "--uts", "--mount-proc", "--kill-child")
ON_A_HOST = (*UNSHARE, "sh", "-c", 'hostname elsewhere; exec "$@"', "sh")
SLOW_DISK = """
import time
from image_analysis_beam.transforms.files.local import LocalStore
def slowly(do):
    def done(*given):
        time.sleep(0.03)
        return do(*given)
    return done
for name in ("find", "move", "create", "remove"):
    setattr(LocalStore, name, slowly(getattr(LocalStore, name)))
"""
ANOTHER_MACHINE = """
from image_analysis_beam.transforms.ledger import liveness
liveness._machine = lambda: "another boot"
"""


@cache
def may_unshare() -> bool:
    """Whether this machine gives a process namespaces of its own."""
    with suppress(OSError):
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    return False


class Elsewhere:
    """The command where nobody can ask for its process, on a slow disk; its processes stop and go on together."""

    def __init__(self, folder: Path, *flags: object) -> None:
        begin, customized = (ON_A_HOST, SLOW_DISK) if may_unshare() else ((), SLOW_DISK + ANOTHER_MACHINE)
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(customized)  # of every process that it starts
        self.process = subprocess.Popen(
            [*begin, sys.executable, "-m", "image_analysis_beam.pipeline", "run", *map(str, flags)],
            env=os.environ | {"PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def stall_when(self, condition: Callable[[], bool]) -> None:
        while self.process.poll() is None and not condition():
            time.sleep(0.001)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGCONT)

    def end(self) -> tuple[int, list[str]]:
        """Exit code, and the lines that it said."""
        _, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, err.splitlines()


class Moment:
    """When a run stalls, among its calls or in its final writes, and wakes: with the second run, or after it."""

    def __init__(self, mode: str, number: int, emulator, output: Path) -> None:
        chosen = random.Random(f"{mode} {number}")
        self._emulator, self._output = emulator, output
        self._calls, self._file = chosen.randint(1, IMAGES), chosen.choice(FINAL_WRITES) if number % 2 else None
        self._later = chosen.uniform(0, 0.1)
        self.wakes_early = chosen.random() < 0.5
        self.wakes_after = chosen.randint(5, 60)

    def __str__(self) -> str:
        wakes = f"after {self.wakes_after} calls of the second run" if self.wakes_early else "after the second run"
        return f"stalls at {self._file or f'{self._calls} calls'} + {self._later:.3f} s, wakes {wakes}"

    def has_come(self) -> bool:
        come = any(self._output.glob(self._file)) if self._file else self._emulator.stats()["calls"] >= self._calls
        if come:
            time.sleep(self._later)
        return come


@contextmanager
def waking(stalled: Elsewhere, emulator, when: Moment) -> Iterator[None]:
    """Wakes it at its moment; at the end at the latest."""
    is_over, before = threading.Event(), emulator.stats()["calls"]

    def wake() -> None:
        while not is_over.wait(0.005):
            if when.wakes_early and emulator.stats()["calls"] >= before + when.wakes_after:
                break
        stalled.wake()

    thread = threading.Thread(target=wake)
    thread.start()
    yield
    is_over.set()
    thread.join()


def age(output: Path) -> None:
    """Everything that could tell when somebody last worked is two hours old."""
    long_ago = time.time() - AGE
    for path in [*output.glob("journal/*/*/*"), *output.glob("runs/*/members/*"), *output.glob("runs/log/*")]:
        with suppress(FileNotFoundError):
            os.utime(path, (long_ago, long_ago))


def check_tables(output: Path) -> None:
    """Each image is once in committed tables; no partition holds anything else, and every committed file is there."""
    layout = Layout(str(output))
    runs = committed_runs(layout)
    for table in ("images", "responses", "tags"):
        files = [path for _, path, _ in committed_files(layout, runs, table)]
        rows = duckdb.sql(f"FROM read_parquet({files}, union_by_name=true, filename=true, hive_partitioning=false)")
        assert rows.filter("NOT contains(filename, 'run=' || run_id || '/')").fetchall() == [], "another run's stamp"
        if table != "tags":
            assert rows.aggregate("count(*), count(DISTINCT image_id)").fetchall() == [(IMAGES, IMAGES)]
    tables = [path.name for path in output.iterdir() if path.name not in ("runs", "journal", "staging")]
    named = {path for _, path, _ in committed_files(layout, runs, *tables)}
    assert named == {str(path) for table in tables for path in (output / table).glob("*/*.parquet")}


@pytest.mark.parametrize(
    ("mode", "moment"),
    [pytest.param(mode, moment, marks=[] if (mode, moment) in USUAL else pytest.mark.long) for mode, moment in ALL],
)
def test_it_wakes_in_a_run_that_was_taken_over(emulator, run, pictures, tmp_path, mode, moment):
    folder, output = pictures(IMAGES)[0].parent, tmp_path / "out"
    flags = ("--images", folder / "*.png", "--output", output, "--features", "tags", "--max_in_flight", IN_FLIGHT)
    rate = ("--requests_per_second", RATE)
    when = Moment(mode, moment, emulator, output)
    stalled = Elsewhere(tmp_path / "elsewhere", *flags, *rate, *MODES[mode])
    stalled.stall_when(when.has_come)
    age(output)
    with waking(stalled, emulator, when):
        second = run(*flags, *rate, features=None)
    code, said = stalled.end()
    third = run(*flags, *rate, features=None)
    calls = emulator.stats()["calls"]
    print(f"{when}: exit {code} ({said[-1]}), {calls} calls")
    assert (second.code, third.code) == (0, 0), second.err
    first = read_record(Layout(str(output)), re.match(r"run (\S+)", said[0])[1])
    assert code == (0 if is_committed(first) else OWNED)
    assert not [line for line in said if "Traceback" in line or "Error" in line], said
    if code == OWNED:
        assert first["by"] == second.manifest["run_id"]
        words = "what it had answered counts there; wait for its end"
        assert re.search(rf"run \S+ was taken over by \S+; {words} \(docs/\S+-5\)$", said[-1])
        assert second.manifest["run_id"] in said[-1]
    check_tables(output)
    assert calls <= IMAGES + IN_FLIGHT + 2 * RATE


def test_a_copy_that_lands_after_the_taker_has_tidied_is_removed(run, emulator, pictures, tmp_path, monkeypatch):
    """Whoever was taken over removes what it wrote since, so that whole folders can be read by a pattern."""
    layout, rename_many = Layout(str(tmp_path / "out")), write_tables.rename_many

    def copied_late(moves: list[tuple[str, str]]) -> None:
        run_id = newest_entry(layout).run_id
        record = fence(layout, run_id, by="another")
        remove_traces(layout, run_id, record)
        for source, _ in moves:
            write_whole(source, b"rows")
        rename_many(moves)

    monkeypatch.setattr(write_tables, "rename_many", copied_late)
    taken_over = run("--images", pictures(3)[0].parent / "*.png")
    assert taken_over.code == OWNED
    assert "was taken over by another" in taken_over.err.splitlines()[-1]
    left = {path.parts[-3] for path in taken_over.output.glob("*/run=*/*")}
    assert left == {"journal"}, "its answers are for the next owner"
