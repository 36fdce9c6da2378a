"""The command, forked from a process that has imported it; each run of it may end, or stop, at an instant of its own.

An instant is before the local store lists, reads or opens a file below the output folder, before it renames, links or
removes one, and after each of its operations that change something. They are counted over all threads of a run, from 1.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from io import BufferedWriter
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

ENDED = 99  # exit code of a run that ended at its instant
_OPERATIONS = ("listing", "read", "open_new", "put", "create")
_CHANGING = ("put", "create", "move", "remove")
_SYSTEM_CALLS = {"os.rename", "os.link", "os.remove", "shutil.rmtree"}


class State(NamedTuple):
    """How a run ended: its exit code, or None where it has stopped; its instants, if it came to its end."""

    code: int | None
    instants: int


class Forks:
    """The process that forks, as the test sees it. A context manager.

    Args:
      folder: where each run writes what it says, as `<pid>.txt`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen([sys.executable, __file__, str(folder)], **pipes)

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, argv: list[str], output: Path, **how: Any) -> int:
        """Starts `main(argv)`; returns the process id. `how`: see `_start`."""
        variables = {name: value for name, value in os.environ.items() if name.startswith("VISION_")}
        return self._ask(do="start", argv=argv, output=str(output), variables=variables, **how)

    def state(self, pid: int) -> State:
        """How a run ended, once it has, or has stopped."""
        return State(*self._ask(do="wait", pid=pid))

    def go_on(self, pid: int) -> None:
        """Lets a run that has stopped go on."""
        self._ask(do="go_on", pid=pid)

    def said(self, pid: int) -> str:
        """What a run said, and at which instant it ended or stopped."""
        return (self._folder / f"{pid}.txt").read_text()

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class _Instants:
    """Counts; ends or stops this process at the instant `at`."""

    def __init__(self, folder: str, at: int, stops: bool) -> None:
        self._folder, self._at, self._stops, self._lock = folder, at, stops, RLock()
        self.number = 0

    def passed(self, what: str, path: object) -> None:
        if not str(path).startswith(self._folder):
            return
        with self._lock:
            self.number += 1
            if self.number == self._at:
                print(f"instant {self._at}: {what} {path}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSTOP) if self._stops else os._exit(ENDED)


def _watch(instants: _Instants) -> None:
    """Makes the local store tell its instants."""
    from image_analysis_beam.transforms.files.local import LocalStore

    for name in {*_OPERATIONS, *_CHANGING}:
        setattr(LocalStore, name, _told(getattr(LocalStore, name), instants))
    open_new = LocalStore.open_new

    class ToldFile(BufferedWriter):
        def close(self) -> None:
            instants.passed("before close", self.name)
            super().close()
            instants.passed("after close", self.name)

    LocalStore.open_new = lambda self, path: ToldFile(open_new(self, path).detach())  # type: ignore
    sys.addaudithook(lambda event, of: event in _SYSTEM_CALLS and instants.passed(event, of[0]))


def _told(operation: Callable[..., Any], instants: _Instants) -> Callable[..., Any]:
    @wraps(operation)
    def told(self: object, path: Any, *more: Any) -> Any:
        of = path[0] if isinstance(path, list) else path
        if operation.__name__ in _OPERATIONS:
            instants.passed(f"before {operation.__name__}", of)
        result = operation(self, path, *more)
        if operation.__name__ in _CHANGING:
            instants.passed(f"after {operation.__name__}", of)
        return result

    return told


def _start(
    folder: str,
    argv: list[str],
    output: str,
    variables: dict[str, str],
    at: int = 0,
    stops: bool = False,
    beat: float = 1.0,
) -> int:
    """Forks; the run ends, or stops, at the instant `at`. `beat`: seconds between beats of a run."""
    if pid := os.fork():
        return pid
    log = os.open(f"{folder}/{os.getpid()}.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(variables)
    os._exit(_run(argv, _Instants(output, at, stops), beat))


def _run(argv: list[str], instants: _Instants, beat: float) -> int:
    from image_analysis_beam.pipeline import run
    from image_analysis_beam.pipeline.__main__ import main
    from image_analysis_beam.transforms.ledger import journal, liveness

    run.report_line = lambda *_: ""  # it takes its time, after the run
    journal.SEGMENT_OUTCOMES = 3
    liveness._LOCAL_BEAT = beat
    _watch(instants)
    try:
        code = main(argv)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    print(f"instants: {instants.number}", file=sys.stderr, flush=True)
    return code


def _wait(folder: str, pid: int) -> State:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return State(None, 0)
    last = Path(folder, f"{pid}.txt").read_text().rpartition("instants: ")[2]
    return State(os.waitstatus_to_exitcode(status), int(last) if last.strip().isdecimal() else 0)


def _serve(folder: str) -> None:
    import_module("image_analysis_beam.pipeline.run")
    gc.collect()
    gc.freeze()  # or each run goes through all that is imported, and copies it
    what = {"start": _start, "wait": _wait, "go_on": lambda _, pid: os.kill(pid, signal.SIGCONT)}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(what[request.pop("do")](folder, **request)), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
