"""`python instants.py how flag …`: the command, which may end, or stop, at an instant. `how`: JSON, as `_run` takes it.

An instant is before the local store lists, reads or opens a file below the output folder, before it renames, links or
removes one, and after each of its operations that change something. They are counted over all threads of a run, from 1.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from io import BufferedWriter
from threading import RLock
from typing import Any

ENDED = 99  # exit code of a run that ended at its instant
_OPERATIONS = ("listing", "read", "open_new", "put", "create")
_CHANGING = ("put", "create", "move", "remove")
_SYSTEM_CALLS = {"os.rename", "os.link", "os.remove", "shutil.rmtree"}


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


def _run(argv: list[str], output: str, at: int = 0, stops: bool = False, beat: float = 1.0) -> int:
    """Ends, or stops, at the instant `at`. `beat`: seconds between beats of the run."""
    from image_analysis_beam.pipeline import run
    from image_analysis_beam.pipeline.__main__ import main
    from image_analysis_beam.transforms.ledger import journal, liveness

    instants = _Instants(output, at, stops)
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


if __name__ == "__main__":
    os._exit(_run(sys.argv[2:], **json.loads(sys.argv[1])))
