"""What is shown while a run is made: what is said of a state, and what a terminal and a file get of real runs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections import Counter
from pathlib import Path

import pytest

from image_analysis_beam.pipeline import progress
from image_analysis_beam.pipeline.progress import Progress, describe
from image_analysis_beam.transforms.live_counts import (
    CALLING,
    FOLDER_VARIABLE,
    LiveCounts,
    _of_folder,
    live_counts,
    read_counts,
)
from stand_ins.forked import Forked

LINE = re.compile(r"(\d+) of (\d+), [\d.]+/s")


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def after(*moments):
    """The state after moments `(seconds, counts)`."""
    clock = Clock()
    watched = Progress(clock)
    for clock.now, counts in moments:
        state = watched.state(Counter(counts))
    return state


def test_pace_is_of_the_last_ten_seconds():
    seconds = [(second, {"to_do": 1000, "analyzed": min(second, 20) * 10}) for second in range(26)]
    assert after(*seconds[:21]).pace == 10
    assert after(*seconds).pace == 5
    assert after(*seconds).seconds_left == 160


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({}, "planning"),
        ({"listed": 40_000}, "planning: 40,000 images listed"),
        ({"to_do": 1000}, "0 of 1,000, 0.0/s"),
        ({"to_do": 1000, "analyzed": 200, "attempts": 200}, "200 of 1,000, 20.0/s, 00:40 left"),
        (
            {"to_do": 1000, "analyzed": 200, "attempts": 200, "limit": 25},
            "200 of 1,000, 20.0/s (80% of the limit), 00:40 left",
        ),
        (
            {"to_do": 300, "analyzed": 97, "dead_letters": 1, "deferred": 2, "attempts": 105, "throttled": 1},
            "100 of 300, 10.0/s, 00:20 left, 1 dead letter, 2 deferred, 1 429",
        ),
        (
            {"to_do": 999, "analyzed": 99, "attempts": 200, "limit": 25, "members": 8, "fleets": 2, "waited.window": 1},
            "99 of 999, 9.9/s (80% of the limit; limited by the window: --max_in_flight; 4 processes share it)",
        ),
        (
            {"to_do": 1000, "analyzed": 200, "limit": 25, "waited.limit": 1, "waited.refusals": 2},
            "200 of 1,000, 20.0/s (0% of the limit; limited by refusals)",
        ),
        ({"to_do": 300, "dead_letters": 2, "throttled": 3, "retries": 1}, "2 dead letters, 3 429s, 1 retry"),
        ({"to_do": 300, "analyzed": 100, "in_outage": 2}, "100 of 300, 10.0/s (no answers: waiting for the service)"),
        ({"to_do": 100, "analyzed": 100}, "100 of 100, 10.0/s, writing"),
    ],
)  # fmt: skip
def test_a_state_in_words(counts, text):
    said = describe(after((0, {}), (10, counts)))
    assert said.startswith(text) or said.endswith(text), said


BUSY = {"to_do": 12_345, "analyzed": 2_000, "dead_letters": 12, "deferred": 3, "attempts": 2_200, "throttled": 40,
        "retries": 7, "limit": 250, "members": 8, "fleets": 2, "waited.window": 1}  # fmt: skip


def test_a_narrow_terminal_gets_whole_pieces():
    busy = after((0, {}), (10, BUSY))
    pieces = pieces_of(describe(busy))
    for width in range(1, 240):
        said = describe(busy, width)
        assert len(said) <= width or said == "2,015 of 12,345"
        assert pieces_of(said) <= pieces
        assert said.count("(") == said.count(")")


def pieces_of(line: str) -> set[str]:
    return {piece.strip() for piece in re.split(r", |[(;)]", line)} - {""}


def test_at_60_columns_pace_and_time_left_are_told():
    busy = after((0, {}), (10, BUSY))
    assert describe(busy, 51) == "2,015 of 12,345, 201.5/s, 00:51 left"
    assert describe(busy, 60) == "2,015 of 12,345, 201.5/s, 00:51 left, 12 dead letters"


def test_a_budget_is_the_total():
    assert after((0, {"to_do": 1000, "over_budget": 950})).total == 50


class Limited:
    def live(self):
        return {"limit": 12.5}

    def trip(self, reason, detail):
        self.reason = reason


def test_counts_of_several_processes_are_added_and_the_folder_is_left_alone_when_it_is_gone(tmp_path):
    folder = tmp_path / "live"
    folder.mkdir()
    first, second = LiveCounts(str(folder)), LiveCounts(str(folder))
    first.add({"analyzed": 2})
    second.add({"analyzed": 3, "deferred": 1})
    limited = Limited()
    second.watch(limited)
    while read_counts(folder)["limit"] == 0 or read_counts(folder)["analyzed"] < 5:
        threading.Event().wait(0.01)
    assert read_counts(folder) == {"analyzed": 5, "deferred": 1, "limit": 12.5, CALLING: 1}


def test_a_folder_may_go_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_dir", lambda _: True)  # as it was a moment ago
    assert read_counts(tmp_path / "gone") == {}


def test_nothing_is_written_unless_somebody_watches(monkeypatch, tmp_path):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    _of_folder.cache_clear()
    live_counts().add({"analyzed": 1})
    assert live_counts().read() == {}
    assert list(tmp_path.iterdir()) == []


def test_a_file_gets_plain_lines(emulator, run, pictures, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 1.0)
    finished = run("--images", pictures(120)[0].parent / "*.png", "--requests_per_second", "40")
    lines = [line for line in finished.err.splitlines() if LINE.match(line)]
    assert finished.code == 0
    assert len(lines) >= 2
    numbers = [int(LINE.match(line)[1]) for line in lines]
    assert numbers == sorted(numbers)
    assert all("120" in line and "\r" not in line and "\x1b" not in line for line in lines)
    assert FOLDER_VARIABLE not in os.environ


def test_quiet_says_nothing_meanwhile(emulator, run, pictures, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.5)
    finished = run("--images", pictures(60)[0].parent / "*.png", "--requests_per_second", "40", "--quiet")
    assert finished.code == 0
    assert not [line for line in finished.err.splitlines() if LINE.search(line)]


@pytest.mark.parametrize(
    ("mode", "columns"), [("in memory", 60), pytest.param("multi-processing", 100, marks=pytest.mark.long)]
)
def test_a_terminal_gets_a_line_that_is_redrawn(emulator, pictures, tmp_path, mode, columns):
    flags = [] if mode == "in memory" else ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    printed = in_terminal(
        *("--images", str(pictures(160)[0].parent / "*.png"), "--output", str(tmp_path / "out"), "--features", "tags"),
        *("--requests_per_second", "40", *flags),
        columns=columns,
    )
    frames = [frame for frame in re.split(r"[\r\n]+", printed) if LINE.search(frame)]
    assert len(frames) >= 4, printed
    numbers = [int(LINE.search(frame)[1]) for frame in frames]
    assert numbers == sorted(numbers)
    totals = {LINE.search(frame)[2] for frame, number in zip(frames, numbers, strict=True) if number}
    assert totals == {"160"}, "how many there are is known before the first is done"
    assert max(map(len, frames)) <= columns
    assert [
        frame for frame in frames if ("% of the limit" in frame or columns < 80) and frame.rstrip().endswith(" left")
    ]
    assert "semi_persistent_directory" not in printed


def in_terminal(*flags: str, columns: int) -> str:
    """What `run` prints on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *flags]
    process = Forked(command, stdout=theirs, stderr=theirs, cwd=Path(__file__).parent)
    os.close(theirs)
    printed = b""
    try:
        while chunk := os.read(ours, 65536):
            printed += chunk
    except OSError:  # the terminal's other end is closed
        pass
    assert process.wait() == 0, printed.decode()
    os.close(ours)
    return printed.decode()
