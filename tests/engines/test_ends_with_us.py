"""Prism ends with the command that started it, in whatever way that ends, and not before."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.runners import WITH_US
from image_analysis_beam.pipeline.stopping import STOPPED
from stand_ins.forked import Forked

from .conftest import job_environment, picture, prism

IMAGES = 40


@pytest.fixture
def started(service: Emulator, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command on Prism, as a shell starts it; it would run for seconds."""
    flags = prism()
    if subprocess.getstatusoutput(f"{WITH_US} true")[0]:
        pytest.skip(f"`{WITH_US}` does not work here: it is of util-linux 2.33 or later")
    for index in range(IMAGES):
        picture(tmp_path / f"{index}.png", index)
    service.reset()
    command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", "--images", str(tmp_path), "--output"]
    command += [str(tmp_path / "out"), "--features", "tags", "--requests_per_second", "10", *flags]
    with Forked(
        command, env=job_environment(service), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        process.kill()


def until(process: subprocess.Popen[str], condition: Callable[[], object]) -> None:
    while process.poll() is None and not condition():
        threading.Event().wait(0.01)


def prism_of(process: subprocess.Popen[str]) -> int | None:
    """The process of Prism, once it is that."""
    with suppress(OSError):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "prism\n":
                return int(child)
    return None


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(other, marks=pytest.mark.long) for other in (signal.SIGTERM, signal.SIGHUP))],
)
def test_it_does_not_stay(started, number):
    until(started, lambda: prism_of(started))
    server = os.pidfd_open(prism_of(started))
    started.send_signal(number)
    started.wait()
    has_ended, _, _ = select.select([server], [], [], 5)
    if not has_ended:
        signal.pidfd_send_signal(server, signal.SIGKILL)
    os.close(server)
    assert has_ended


def test_a_ctrl_c_in_the_terminal_leaves_it_to_end_the_run(started, service, tmp_path):
    until(started, lambda: service.stats()["calls"] >= 5)
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate()
    assert started.returncode == STOPPED, said
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "out" / "runs").glob("*.json"))
    assert record["conservation"]["analyzed"] + record["deferred"]["interrupted"] == IMAGES
