"""Create-once: one creator wins, whatever is lost or repeated, and everybody learns who it was."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from image_analysis_beam.transforms.files import local, store
from image_analysis_beam.transforms.files.create_once import create_once, create_or_read, read_if_there, weakness
from image_analysis_beam.transforms.files.local import LocalStore
from image_analysis_beam.transforms.files.store import store_of
from stand_ins.forked import Forked

CREATORS = 16
ONE_WINNER = ["local", "local_without_links", "gcs", "gcs_with_preconditions", "s3", "azure"]


@pytest.fixture(params=ONE_WINNER)
def folder(request, new_folder, monkeypatch):
    """A new folder of each store that promises one winner."""
    if request.param == "local_without_links":
        monkeypatch.setattr(os, "link", refuse_links)
    return new_folder(request.param.removesuffix("_without_links"))


def refuse_links(source, target):
    raise OSError(errno.EPERM, "no links here", source, None, target)


def test_the_first_is_kept_and_a_repeated_step_is_a_success(folder):
    path = f"{folder}/runs/log/1"
    assert read_if_there(path) is None
    assert create_once(path, b"token A")
    assert create_once(path, b"token A")
    assert not create_once(path, b"token B")
    assert create_or_read(path, b"token B") == b"token A"
    assert read_if_there(path) == b"token A"
    assert [file.path for file in store_of(folder).listing(f"{folder}/")] == [path]


def test_one_of_many_threads_wins(folder):
    start = threading.Barrier(CREATORS)

    def create(number: int) -> tuple[bool, bytes]:
        data = b"token %d" % number
        start.wait()
        found = create_or_read(f"{folder}/claim", data)
        return found == data, found

    with ThreadPoolExecutor(CREATORS) as pool:
        ends = list(pool.map(create, range(CREATORS)))
    assert [won for won, _ in ends].count(True) == 1
    assert {found for _, found in ends} == {read_if_there(f"{folder}/claim")}


CREATE_MANY = """
import os, sys
from image_analysis_beam.transforms.files.create_once import create_once
print("ready", flush=True)
sys.stdin.readline()
print(*(number for number in range(300) if create_once(f"{sys.argv[1]}/{number}", b"process %d" % os.getpid())))
"""


@pytest.mark.long
def test_one_of_two_processes_wins_each_name(tmp_path):
    command = [sys.executable, "-c", CREATE_MANY, str(tmp_path)]
    creators = [Forked(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [creator.stdout.readline() for creator in creators] == ["ready\n"] * 2
    for creator in creators:
        creator.stdin.write("go\n")
        creator.stdin.flush()
    won = [creator.communicate()[0].split() for creator in creators]
    assert sorted(map(int, won[0] + won[1])) == list(range(300))


def test_a_lost_reply_is_no_defeat(fronted):
    front, folder = fronted
    lost = []
    front.loses = lambda method, _: method in ("PUT", "POST") and not lost and lost.append(method) is None
    assert create_once(f"{folder}/claim", b"token A")
    assert len(lost) == 1
    assert not create_once(f"{folder}/claim", b"token B")


def test_an_error_is_no_defeat_where_the_object_is_there(tmp_path, monkeypatch):
    class ReplyLost(LocalStore):
        def create(self, path: str, data: bytes) -> bool:
            super().create(path, data)
            raise OSError("no reply")

    monkeypatch.setitem(store.MAKERS, None, lambda options: ReplyLost())
    assert create_once(f"{tmp_path}/claim", b"token A")
    assert not create_once(f"{tmp_path}/claim", b"token B")


def test_an_error_where_nothing_is_there_is_an_error(fronted):
    front, folder = fronted
    front.answers = lambda method, _: 403 if method in ("PUT", "POST") else None
    with pytest.raises(OSError, match=r"403|Forbidden|authorized"):
        create_once(f"{folder}/claim", b"token A")
    assert read_if_there(f"{folder}/claim") is None


@pytest.mark.parametrize("fronted", ["s3"], indirect=True)
def test_a_conflict_on_s3_is_tried_again(fronted):
    front, folder = fronted
    conflicts = [409, 409]
    front.answers = lambda method, _: conflicts.pop() if method == "PUT" and conflicts else None
    assert create_once(f"{folder}/claim", b"token")
    assert conflicts == []


def test_a_name_that_was_claimed_and_not_finished_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    (tmp_path / "claim").touch()  # as a process leaves it that dies between its two steps
    waits: list[float] = []
    assert read_if_there(f"{tmp_path}/claim") is None
    with pytest.raises(OSError, match="claimed by somebody who does not finish"):
        create_or_read(f"{tmp_path}/claim", b"token", waits.append)
    assert sum(waits) == pytest.approx(5)


def test_a_creator_that_fails_without_links_gives_the_name_back(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    with monkeypatch.context() as full:
        full.setattr(local.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(OSError, match="full"):
            create_once(f"{tmp_path}/claim", b"token A")
    assert list(tmp_path.iterdir()) == []
    assert create_once(f"{tmp_path}/claim", b"token B")


def test_the_guarantee_is_tried(folder):
    assert weakness(folder) is None
    assert list(store_of(folder).listing(f"{folder}/")) == []


def test_a_store_without_the_guarantee_says_so(new_folder, gcs_emulator, monkeypatch):
    assert "looks first and writes then" in weakness(new_folder("memory"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{gcs_emulator}")  # which ignores the condition
    store._made.cache_clear()
    assert "overwrites a file" in weakness("gs://photos/runs")
    store._made.cache_clear()
