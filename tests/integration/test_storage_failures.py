"""What the machine refuses in the middle of a run: calls stop, one sentence, exit 3, and the same command goes on."""

from __future__ import annotations

import atexit
import fcntl
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from image_analysis_beam.pipeline.stopping import SIGNALS
from image_analysis_beam.pipeline.temporary import live_folder, temporary_files
from image_analysis_beam.transforms.live_counts import FOLDER_VARIABLE, LiveCounts, is_abandoned, live_counts, own
from stand_ins.forked import Forked, run_forked
from stand_ins.waiting import wait_until

TWO_WORKERS = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
RATE = 40


def command(*flags, name="run"):
    return [sys.executable, "-m", "image_analysis_beam.pipeline", name, *map(str, flags)]


@pytest.fixture
def flags(emulator, pictures, tmp_path):
    folder = pictures(100)[0].parent
    return ["--images", folder / "*.png", "--output", tmp_path / "out", "--features", "tags"]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of our own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def check_one_sentence(err, *words):
    assert "Traceback" not in err, err
    (sentence,) = (line for line in err.splitlines() if line.startswith("incomplete"))
    for word in (*words, "run the same command again to go on"):
        assert word in sentence


def test_a_full_disk(emulator, run, flags):
    """A file of more than 9 000 bytes is refused, as by a quota."""
    full = subprocess.run(
        command(*flags, "--requests_per_second", RATE),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)),
    )
    assert full.returncode == 3, full.stderr
    check_one_sentence(full.stderr, "output '", "File too large")
    assert emulator.stats()["calls"] <= 4 * RATE  # what came in before the first segment was refused
    assert run(*flags, features=None).code == 0


def test_an_output_that_vanishes(emulator, run, flags, tmp_path):
    process = Forked(
        command(*flags, "--requests_per_second", RATE, *TWO_WORKERS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    while process.poll() is None and not list(output.glob("journal/*/*/*.parquet")):
        threading.Event().wait(0.005)
    output.rename(elsewhere)
    output.touch()
    _, err = process.communicate()
    assert process.returncode == 3, err
    check_one_sentence(err, f"output '{output}'", "Not a directory")
    output.unlink()
    elsewhere.rename(output)
    before = emulator.stats()["calls"]
    finished = run(*flags, features=None)
    assert finished.code == 0
    assert "taking over the answers of" in finished.err
    assert finished.rows("images", "count(*), count(distinct image_id)") == [(100, 100)]
    assert emulator.stats()["calls"] < before + 100


def test_a_journal_that_is_away_for_a_moment(emulator, run, flags, tmp_path):
    process = Forked(command(*flags, "--requests_per_second", RATE, "--max_in_flight", "8"))
    journal, elsewhere = tmp_path / "out" / "journal", tmp_path / "elsewhere"
    while process.poll() is None and not list(journal.glob("*/*/*.parquet")):
        threading.Event().wait(0.005)
    journal.rename(elsewhere)
    journal.touch()
    threading.Event().wait(1.5)
    journal.unlink()
    elsewhere.rename(journal)
    assert process.wait() == 0
    assert emulator.stats()["calls"] == 100
    assert run(*flags, features=None).manifest["skipped"] == {"answered": 100}


def test_nobody_reads_what_is_printed(emulator, flags):
    for flags_of, name in ((flags, "run"), ([flags[3]], "show"), (["--help"], "run"), ([], "--help")):
        reading, writing = os.pipe()
        os.close(reading)
        finished = run_forked(command(*flags_of, name=name), stdout=writing)
        os.close(writing)
        assert finished.returncode == 0, finished.stderr
        assert "Broken" not in finished.stderr


def check_without_a_place(code, name, *flags):
    """The command, where nothing that it prints can be written."""
    with open("/dev/full", "w") as full:
        finished = run_forked(command(*flags, name=name), stdout=full)
    assert finished.returncode == code, finished.stderr
    assert "could not be printed (No space left on device)" in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr


def test_what_is_printed_has_no_place(emulator, flags):
    check_without_a_place(0, "run", *flags)
    check_without_a_place(0, "reflatten", "--stored", flags[3], "--output", f"{flags[3]}-again")
    check_without_a_place(2, "show", flags[3])
    check_without_a_place(2, "plan", "--help")


@pytest.mark.long
def test_what_is_printed_before_a_run_has_no_place(emulator, flags):
    check_without_a_place(2, "plan", *flags)
    check_without_a_place(2, "--help")


def test_as_from_cron(emulator, flags):
    """No terminal, no home, no UTF-8, a working folder that nobody can write to."""
    environment = {name: os.environ[name] for name in ("PATH", "VISION_ENDPOINT", "VISION_KEY")}
    poor = environment | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    flags[3] = f"{flags[3]} é"
    for name, arguments in (("run", flags), ("plan", flags), ("show", [flags[3]]), ("report", [flags[3]])):
        finished = subprocess.run(
            command(*arguments, name=name),
            env=poor,
            cwd="/proc",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        assert finished.returncode == 0, finished.stderr
        assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("workers", [pytest.param([], marks=pytest.mark.long, id="in memory"), TWO_WORKERS])
def test_what_a_killed_run_leaves_is_removed_by_the_next(emulator, run, flags, temporary, workers):
    process = Forked(command(*flags, "--requests_per_second", RATE, *workers), start_new_session=True)
    wait_until(lambda: emulator.stats()["calls"] >= 10)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(temporary.glob("image-analysis-beam-*/*"))
    assert run(*flags, features=None).code == 0
    assert not list(temporary.iterdir())
    wait_until(lambda: not is_there(process.pid))  # its workers: one that was still starting, a little later


def is_there(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_folder_is_never_found_abandoned_while_its_owner_takes_it(tmp_path, monkeypatch):
    lock, found = fcntl.flock, []

    def looked_at_before_it_is_locked(file, how):
        if not how & fcntl.LOCK_NB:
            found.append(is_abandoned(tmp_path))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", looked_at_before_it_is_locked)
    with own(tmp_path):
        found.append(is_abandoned(tmp_path))
    assert found == [False, False]
    assert is_abandoned(tmp_path)


@pytest.mark.parametrize("left_by", [None, "a job server"])
def test_a_folder_has_its_owner_until_it_is_removed(temporary, monkeypatch, left_by):
    """Another command removed one in the instant between, and a run that had succeeded ended with an error."""
    found, tidies = [], []
    monkeypatch.setattr(atexit, "register", tidies.append)
    with temporary_files():
        (folder,) = temporary.iterdir()
        if left_by:
            (folder / "beam-temp-1").mkdir()
        monkeypatch.setattr(Path, "rename", lambda path, target: found.append(is_abandoned(folder)))
    for tidy in tidies if left_by else []:
        assert not is_abandoned(folder)
        tidy()
    assert found == [False]


def write(counts, over):
    while not over.is_set():
        counts.flush()


def test_a_run_that_ends_leaves_nothing(emulator, run, flags, temporary):
    assert run(*flags, features=None).code == 0
    assert run(*flags, features=None, command="plan").code == 0
    assert not list(temporary.iterdir())


def test_the_folder_goes_whoever_writes_to_it(temporary):
    for _ in range(50):
        with temporary_files(), live_folder() as folder:
            assert os.environ[FOLDER_VARIABLE] == str(folder)
            over = threading.Event()
            writers = [threading.Thread(target=write, args=[LiveCounts(str(folder)), over]) for _ in range(3)]
            for writer in writers:
                writer.start()
        assert not list(temporary.iterdir())
        over.set()
        for writer in writers:
            writer.join()


def test_a_run_without_a_place_for_temporary_files(emulator, run, flags, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nothing")
    with live_folder() as folder:
        assert folder is None
        live_counts().add({"analyzed": 1})
    refused = run(*flags, features=None)
    assert refused.code == 2
    assert "files cannot be read or written" in refused.err
    assert "/proc/nothing" in refused.err


def test_a_folder_is_abandoned_until_all_else_in_it_is_gone(temporary, monkeypatch):
    """Who is killed while it removes one leaves it to the next."""
    folder, unlink, left = temporary / "image-analysis-beam-1", os.unlink, []
    for number in range(20):
        (folder / f"beam-pipeline-temp{number}").mkdir(parents=True)
        (folder / f"{number}.txt").touch()
    own(folder).close()

    def unlinked(path, **how):
        if os.path.basename(path) == "owner" and folder.exists():
            left.extend(os.listdir(folder))
        unlink(path, **how)

    monkeypatch.setattr(os, "unlink", unlinked)
    with temporary_files():
        assert not folder.exists()
    assert left == ["owner"]


def test_a_signal_removes_the_folder_while_the_command_ends(temporary):
    """The one that came second said so with a traceback."""
    with temporary_files():
        SIGNALS.tidy()
    assert not list(temporary.iterdir())
