"""The package inside another program: processes that it forks, threads of its own, runs that fail in it."""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
import sys
import tempfile
import threading
import warnings
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import apache_beam as beam
import pytest

from image_analysis_beam.pipeline import temporary
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.run import INCOMPLETE
from image_analysis_beam.transforms import (
    AnalyzeImages,
    AnalyzeRequest,
    CallSettings,
    ConfigurationError,
    PlanWork,
    ReadImageUris,
    WriteRun,
    start_run,
)
from image_analysis_beam.transforms.endpoint import fitting
from image_analysis_beam.transforms.endpoint.lane import LANES
from image_analysis_beam.transforms.files import store
from image_analysis_beam.transforms.guards import GUARDS
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.liveness import is_alive
from image_analysis_beam.transforms.ledger.log import newest_entry
from image_analysis_beam.transforms.ledger.members import MEMBERS
from image_analysis_beam.transforms.ledger.records import read_record
from image_analysis_beam.transforms.lists.files import spool_standard_input
from image_analysis_beam.transforms.live_counts import FOLDER_VARIABLE, read_counts
from stand_ins.waiting import wait_until

TAGS = AnalyzeRequest(features="tags")
TOO_LONG = 30  # seconds
at_once = partial(is_alive, pause=lambda _: None)


def forked(work):
    """What `work` returns in a process that is forked here, as an exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: there are threads
        child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(TOO_LONG)
            code = int(work())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(folder, output, rate=2000):
    flags = ["--images", f"{folder}/*.png", "--output", str(output), "--features", "tags", "--quiet"]
    return main(["run", *flags, "--requests_per_second", str(rate)])


@pytest.fixture
def in_thread():
    """`in_thread(work)`: begins it; a function that waits for what it returns."""

    def begin(work):
        results = []
        thread = threading.Thread(target=lambda: results.append(work()))
        thread.start()
        return lambda: (thread.join(), *results)[1]

    return begin


def test_a_process_that_is_forked_after_a_run_makes_another(emulator, pictures, tmp_path):
    first, second = (pictures(3, name, at)[0].parent for at, name in enumerate("ab"))
    assert command(first, tmp_path / "out-a") == 0
    assert forked(lambda: command(second, tmp_path / "out-b")) == 0
    assert emulator.stats()["calls"] == 6


def test_a_process_that_is_forked_in_the_middle_of_a_run_has_no_part_in_it(emulator, pictures, tmp_path, in_thread):
    def call(paths):
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            images = pipeline | beam.Create(list(map(str, paths)))
            images | AnalyzeImages(TAGS, emulator.url, settings=CallSettings(requests_per_second=40))
        return 0

    ended = in_thread(lambda: call(pictures(40)))
    wait_until(lambda: emulator.stats()["calls"])
    assert forked(lambda: call(pictures(3, "more", 50))) == 0
    assert ended() == 0
    assert emulator.stats()["calls"] == 43


def test_a_process_that_is_forked_in_the_middle_of_a_command_has_its_own(emulator, pictures, tmp_path, in_thread):
    usual = tempfile.gettempdir()
    first, second = (pictures(20 - 17 * at, name, 20 * at)[0].parent for at, name in enumerate("ab"))
    ended = in_thread(lambda: command(first, tmp_path / "out-a", rate=20))
    wait_until(lambda: emulator.stats()["calls"])  # while a pipeline is built, its thread has Beam's lock of pickling
    assert os.environ[FOLDER_VARIABLE]

    def other():
        assert tempfile.gettempdir() == usual
        assert FOLDER_VARIABLE not in os.environ
        return command(second, tmp_path / "out-b")

    assert forked(other) == 0
    assert ended() == 0
    assert emulator.stats()["calls"] == 23


def test_a_process_that_is_forked_waits_for_no_thread_of_its_parent(tmp_path):
    def held():
        turns = [fitting._TURNS] * (os.cpu_count() or 1)
        return [store._MAKING, temporary._ONE_AT_A_TIME, LANES._lock, MEMBERS._lock, GUARDS._lock, *turns]

    store.store_of(str(tmp_path))
    with ExitStack() as stack:
        stack.enter_context(fitting._ROOM.reserve(fitting.MOST_DECODED_BYTES))
        for lock in held():
            stack.enter_context(lock)

        def is_free():
            with fitting._ROOM.reserve(1):
                return all(lock.acquire(blocking=False) for lock in held()) and not store._made.cache_info().currsize

        assert forked(is_free) == 1


def test_a_process_that_is_forked_leaves_the_list_of_its_parent(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.png\n")))
    owners = [lambda: None]
    spooled = Path(spool_standard_input(owners[0]).path)

    def drop():
        owners.clear()
        return 0

    assert forked(drop) == 0
    assert spooled.read_text() == "a.png\n"
    drop()
    assert not spooled.exists()


def test_commands_of_two_threads_take_turns(emulator, pictures, tmp_path, in_thread, capsys):
    usual, frozen = tempfile.gettempdir(), gc.get_freeze_count()
    first, second = (pictures(3, name, at)[0].parent for at, name in enumerate("ab"))
    waits_for_one = in_thread(lambda: command(first, tmp_path / "out-a", rate=5))
    wait_until(lambda: os.environ.get(FOLDER_VARIABLE))
    waits_for_other = in_thread(lambda: command(second, tmp_path / "out-b"))
    assert (waits_for_one(), waits_for_other()) == (0, 0)
    said = capsys.readouterr().err
    assert "another command runs in this process; waiting for its end" in said
    assert "could not" not in said
    assert tempfile.gettempdir() == usual
    assert "TMPDIR" not in os.environ or os.environ["TMPDIR"] == usual
    os.rmdir(tempfile.mkdtemp())
    assert gc.get_freeze_count() <= frozen, "what the program does not need any more is collected"
    assert len(logging.getLogger("apache_beam.runners.portability.fn_api_runner.fn_runner").filters) == 2, "once each"


def test_a_run_that_the_program_ends_keeps_no_other_waiting(emulator, pictures, tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    folder = pictures(1)[0].parent
    monkeypatch.setattr(beam.Pipeline, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command(folder, tmp_path / "out")
    layout = Layout(str(tmp_path / "out"))
    assert read_record(layout, newest_entry(layout).run_id)["status"] == "fenced"


def in_a_program(work):
    """What `work` returns in a program that goes on: Ctrl-C is its own again."""

    def program():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored
        code = work()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return code

    return forked(program)


def test_ctrl_c_in_a_program_stops_a_run_in_good_order(emulator, pictures, tmp_path):
    folder = pictures(60)[0].parent

    def press():
        wait_until(lambda: (live := os.environ.get(FOLDER_VARIABLE)) and read_counts(Path(live))["attempts"])
        os.kill(os.getpid(), signal.SIGINT)

    def work():
        threading.Thread(target=press).start()  # it blocks no signal, as those of a notebook
        return command(folder, tmp_path / "out", rate=20)

    assert in_a_program(work) == INCOMPLETE
    layout = Layout(str(tmp_path / "out"))
    accounts = read_record(layout, newest_entry(layout).run_id)["conservation"]
    assert (accounts["analyzed"], accounts["deferred"]) == (called := emulator.stats()["calls"], 60 - called)


def test_where_there_is_nothing_to_wait_for_ctrl_c_is_the_programs(emulator, pictures, tmp_path, monkeypatch):
    folder = pictures(1)[0].parent

    def press(_):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(TOO_LONG)

    def work():
        with pytest.raises(KeyboardInterrupt):
            command(folder, tmp_path / "out")
        return 0

    monkeypatch.setattr(beam.Pipeline, "run", press)
    assert in_a_program(work) == 0


def write(pipeline, folder, emulator, output, run_id):
    """A run as a program of one's own makes it; returns the answers."""
    work = pipeline | ReadImageUris(images=[f"{folder}/*.png"]) | PlanWork(TAGS, output, run_id)
    analyze = AnalyzeImages(TAGS, emulator.url, output=output, run_id=run_id, error_handling={"output": "failures"})
    calls = work["to_do"] | analyze
    outcomes = {
        "answers": (calls["responses"], work["recovered"]),
        "records": (calls["failures"], work["failed"], work["deferred"]),
        "rows": (),
        "counts": (work["counts"], calls["stats"]),
    }
    outcomes | WriteRun(output, run_id, {"started_at": "2026-11-30T00:00:00+00:00"})
    return calls["responses"], outcomes


def test_what_a_failed_pipeline_of_this_process_paid_for_its_next_run_finds(emulator, pictures, tmp_path):
    """As a cell of a notebook that fails, and is run again."""
    folder, output = pictures(5)[0].parent, str(tmp_path / "out")
    failed, again = (beam.Pipeline(runner="FnApiRunner") for _ in range(2))
    answers, _ = write(failed, folder, emulator, output, start_run(output).run_id)
    answers | beam.Map(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failed.run()
    run_id = start_run(output, judge=at_once).run_id
    write(again, folder, emulator, output, run_id)
    again.run().wait_until_finish()
    assert read_record(Layout(output), run_id)["conservation"]["analyzed"] == 5
    assert emulator.stats()["calls"] == 5


def test_a_run_is_planned_and_committed_once(emulator, pictures, tmp_path):
    pipeline, output = beam.Pipeline(runner="FnApiRunner"), str(tmp_path / "out")
    _, outcomes = write(pipeline, pictures(1)[0].parent, emulator, output, "20261130T000000Z-0000")
    facts = {"started_at": "2026-11-30T00:00:00+00:00"}
    with pytest.raises(ConfigurationError, match="a run has one AccountRun"):
        outcomes | "Again" >> WriteRun(output, "20261130T000000Z-0000", facts)
    images = pipeline | "Images" >> ReadImageUris(images=[f"{pictures(1)[0].parent}/*.png"])
    with pytest.raises(ConfigurationError, match="a run has one PlanWork"):
        images | "Plan" >> PlanWork(AnalyzeRequest(features="caption"), f"{output}/", "20261130T000000Z-0000")
    outcomes | "Elsewhere" >> WriteRun(f"{output}-2", "20261130T000000Z-0000", facts)
