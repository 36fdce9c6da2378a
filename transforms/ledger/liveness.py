"""Whether a run without a record is still being worked on: a judgement that may err, and does no harm where it does.

Two clocks are never compared, nor is the age of a file. Another process of this machine answers itself; a job on
Dataflow by its state; else only what changes while we watch is alive.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from ..files.create_once import read_if_there
from ..files.many import list_folder, read_many
from ..files.schemes import scheme_of
from ..files.storage import join
from .layout import Layout

DEAD_AFTER = 3  # beats without a change
_LOCAL_BEAT, _BEAT = 1.0, 10.0

Job = Mapping[str, str]
Pause = Callable[[float], None]


def beat_seconds(output: str) -> float:
    """How often those who work for a run of this folder say so."""
    return _LOCAL_BEAT if scheme_of(output) is None else _BEAT


def launcher(layout: Layout, run_id: str) -> str:
    """Where the process that starts a run, or waits for it, beats."""
    return join(layout.members(run_id), "launcher")


def this_process(workers_end_with_it: bool = True) -> dict[str, Any]:
    """What tells this process from every other one, for the log; `token` tells this call from every other.

    Args:
      workers_end_with_it: whether the run is dead where this process is.
    """
    return {
        "token": uuid4().hex,
        "host": socket.gethostname(),
        "boot_id": _machine(),
        "pid_namespace": _pid_namespace(),
        "pid": os.getpid(),
        "process_started": _process_started(os.getpid()),
        "workers_end_with_it": workers_end_with_it,
    }


def is_alive(
    layout: Layout,
    run_id: str,
    owner: Mapping[str, Any],
    job_has_ended: Callable[[Job], bool] | None = None,
    pause: Pause = time.sleep,
) -> bool:
    """Whether somebody works for an undecided run.

    Args:
      layout, run_id: the run.
      owner: of its entry in the log; empty for a run of before there was one.
      job_has_ended: tells it of the job that the run's launcher noted (`Member.note`).
      pause: sleeps for seconds.
    """
    owner = owner or _former_owner(layout, run_id)
    with suppress(LookupError, TypeError, OverflowError, AttributeError):  # of workers elsewhere, or damaged
        if _is_of_this_machine(owner):
            if _process_started(owner["pid"]) != owner["process_started"]:
                if owner.get("workers_end_with_it", True):
                    return False
            elif owner["pid"] != os.getpid():  # of this process, a pipeline may have failed: who works for it beats
                return True
    job = _job(layout, run_id)
    if job is not None and job_has_ended is not None:
        return not job_has_ended(job)
    return _changes(layout, run_id, pause)


def _is_of_this_machine(owner: Mapping[str, Any]) -> bool:
    if "boot_id" not in owner:  # written by a version that named the host alone
        return owner.get("host") == socket.gethostname()
    here = _machine(), _pid_namespace()
    return owner["boot_id"] is not None and (owner["boot_id"], owner.get("pid_namespace")) == here


def _former_owner(layout: Layout, run_id: str) -> Mapping[str, Any]:
    return _facts(layout.former_mark(run_id))


def _changes(layout: Layout, run_id: str, pause: Pause) -> bool:
    before = _signs(layout, run_id)
    for _ in range(DEAD_AFTER):
        pause(beat_seconds(layout.output))
        if _signs(layout, run_id) != before:
            return True
    return False


def _signs(layout: Layout, run_id: str) -> object:
    """What changes while somebody works: beats; in a run of before there were any, its journal grows."""
    members = sorted(file.path for file in list_folder(layout.members(run_id)))
    return members, list(read_many(members)), sorted(file.path for file in list_folder(layout.journal(run_id)))


def _job(layout: Layout, run_id: str) -> Job | None:
    job = _facts(launcher(layout, run_id)).get("job")
    return job if isinstance(job, dict) and job else None  # its launcher may know none that can be asked for


def _facts(path: str) -> Mapping[str, Any]:
    """What a file of JSON says; nothing where there is none. Storage that is away says nothing of who is alive."""
    with suppress(ValueError):
        if isinstance(facts := json.loads(read_if_there(path) or b"{}"), dict):
            return facts
    return {}


def _machine() -> str | None:
    """What tells one start of one machine from every other; None where the system does not say."""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
    return None


def _pid_namespace() -> str | None:
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return None


def _process_started(pid: int) -> str | None:
    """What tells a process from another one with the same number; None if it is not there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *facts = file.read().decode(errors="replace").rpartition(")")[2].split()
            return None if state == "Z" else facts[18]  # ended, and nobody has asked how
    except OSError:
        return "unknown"
