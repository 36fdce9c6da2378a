"""Whether somebody works for a run: the process itself answers, or its job, or what changes while one watches."""

from __future__ import annotations

import json
import os
import socket
import subprocess

import pytest

from image_analysis_beam.transforms.files.local import LocalStore
from image_analysis_beam.transforms.files.storage import write_whole
from image_analysis_beam.transforms.ledger import liveness
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.liveness import DEAD_AFTER, beat_seconds, is_alive, launcher, this_process
from stand_ins.other_owner import other_process

RUN = "20261125T000000Z-0000"
JOB = {"id": "2026-job-1", "project": "photo-project", "region": "europe-west4"}


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path / "out"))


class Watching:
    """Pauses that take no time; at the pause of a number, something happens."""

    def __init__(self, happens=lambda: None, at=None):
        self.pauses, self._happens, self._at = [], happens, at

    def __call__(self, seconds):
        self.pauses.append(seconds)
        if len(self.pauses) == self._at:
            self._happens()


def beat(layout, number=1, name="launcher", **facts):
    write_whole(f"{layout.members(RUN)}/{name}", json.dumps({"beat": number, **facts}).encode())


def never(*_):
    raise AssertionError("it need not be watched, nor its job asked for")


def test_the_process_itself_answers(layout):
    assert is_alive(layout, RUN, other_process(), never, never)
    assert is_alive(layout, RUN, other_process() | {"workers_end_with_it": False}, never, never)


def test_of_this_process_what_works_for_the_run_beats(layout):
    assert is_alive(layout, RUN, this_process(), never, Watching(lambda: beat(layout), at=2))
    assert not is_alive(layout, RUN, this_process(), never, Watching())


def test_another_process_with_its_number_is_not_it(layout):
    assert not is_alive(layout, RUN, this_process() | {"process_started": "1"}, never, never)


def test_a_process_that_is_gone_is_dead(layout):
    child = subprocess.Popen(["true"])
    child.wait()
    assert not is_alive(layout, RUN, this_process() | {"pid": child.pid}, never, never)


def test_a_process_that_nobody_asked_how_it_ended_is_dead(layout):
    """A parent that does not wait for its children, as a container's first process may be."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        owner = this_process() | {"pid": child.pid, "process_started": liveness._process_started(child.pid)}
        assert is_alive(layout, RUN, owner, never, never)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(layout, RUN, owner, never, never)


def test_workers_elsewhere_outlive_the_process(layout):
    gone = this_process(workers_end_with_it=False) | {"process_started": "1"}
    watching = Watching(lambda: beat(layout, name="worker"), at=2)
    assert is_alive(layout, RUN, gone, never, watching)
    assert not is_alive(layout, RUN, gone, never, Watching())


ELSEWHERE = {
    "another container": {"pid_namespace": "pid:[1]"},
    "another machine": {"boot_id": "11111111-1111-1111-1111-111111111111"},
    "a system that does not say": {"boot_id": None, "pid_namespace": None},
}


@pytest.mark.parametrize("differs", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_process_elsewhere_is_watched_whatever_has_its_number_here(layout, differs):
    beat(layout)
    dead = Watching()
    assert not is_alive(layout, RUN, this_process() | differs, never, dead)
    assert dead.pauses == [beat_seconds(layout.output)] * DEAD_AFTER
    for pause in range(1, DEAD_AFTER + 1):
        watching = Watching(lambda: beat(layout, 2), at=pause)
        beat(layout)
        assert is_alive(layout, RUN, this_process() | differs, never, watching)
        assert len(watching.pauses) == pause


def test_no_system_that_says_nothing_is_taken_for_another_one(layout, monkeypatch):
    """Where neither machine names its start, the number of a process says nothing."""
    monkeypatch.setattr(liveness, "_machine", lambda: None)
    monkeypatch.setattr(liveness, "_pid_namespace", lambda: None)
    assert not is_alive(layout, RUN, this_process(), never, watching := Watching())
    assert len(watching.pauses) == DEAD_AFTER


@pytest.mark.parametrize("sign", ["a new member", "a member that left", "a journal that grows"])
def test_whatever_changes_is_a_sign(layout, sign):
    beat(layout)
    happens = {
        "a new member": lambda: beat(layout, name="worker"),
        "a member that left": lambda: os.remove(launcher(layout, RUN)),
        "a journal that grows": lambda: write_whole(f"{layout.journal(RUN)}/1.parquet", b"rows"),
    }
    assert is_alive(layout, RUN, this_process() | {"boot_id": "other"}, never, Watching(happens[sign], at=3))


def test_the_age_of_a_file_says_nothing(layout):
    beat(layout)
    touched = Watching(lambda: os.utime(launcher(layout, RUN), (2e9, 2e9)), at=1)
    assert not is_alive(layout, RUN, this_process() | {"boot_id": "other"}, never, touched)


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_job_on_dataflow_answers_for_its_run(layout, has_ended):
    beat(layout, job=JOB)
    asked = []

    def job_has_ended(job):
        asked.append(job)
        return has_ended

    gone = this_process(workers_end_with_it=False) | {"pid_namespace": "pid:[1]"}
    assert is_alive(layout, RUN, gone, job_has_ended, never) is not has_ended
    assert asked == [JOB]


@pytest.mark.parametrize("noted", [b'{"beat": 1}', b'{"beat": 1, "job": {}}', b"{", b"[]", b'{"job": "2026-job-1"}'])
def test_a_run_without_a_job_that_can_be_asked_for_is_watched(layout, noted):
    write_whole(launcher(layout, RUN), noted)
    elsewhere = this_process(workers_end_with_it=False) | {"boot_id": "other"}
    assert not is_alive(layout, RUN, elsewhere, never, watching := Watching())
    assert len(watching.pauses) == DEAD_AFTER


def former_mark(layout, **owner):
    write_whole(layout.former_mark(RUN), json.dumps(owner).encode())


def test_a_run_of_an_earlier_version_is_its_process(layout):
    former_mark(layout, **{name: other_process()[name] for name in ("host", "pid", "process_started")})
    assert is_alive(layout, RUN, {}, never, never)
    former_mark(layout, host=socket.gethostname(), pid=os.getpid(), process_started="1")
    assert not is_alive(layout, RUN, {}, never, never)


def test_a_run_of_an_earlier_version_on_another_machine_is_watched(layout):
    former_mark(layout, host="elsewhere", pid=os.getpid(), process_started="1")
    assert not is_alive(layout, RUN, {}, never, Watching())
    grows = Watching(lambda: write_whole(f"{layout.journal(RUN)}/1.parquet", b"rows"), at=2)
    assert is_alive(layout, RUN, {}, never, grows)


@pytest.mark.parametrize("mark", [None, b"", b"{", b"[]", b'{"host": 1}'])
def test_a_run_of_which_nothing_is_known_is_watched(layout, mark):
    if mark is not None:
        write_whole(layout.former_mark(RUN), mark)
    assert not is_alive(layout, RUN, {}, never, watching := Watching())
    assert len(watching.pauses) == DEAD_AFTER


def test_storage_that_is_away_is_no_sign_of_death(layout, monkeypatch):
    def away(*_):
        raise OSError("storage is away")

    monkeypatch.setattr(LocalStore, "read", away)
    elsewhere = this_process(workers_end_with_it=False) | {"boot_id": "other"}
    with pytest.raises(OSError, match="away"):
        is_alive(layout, RUN, elsewhere, never, Watching())
