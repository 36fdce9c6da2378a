"""The temporary files of a command, Beam's and ours, in one folder that is gone when it has ended.

What a command leaves that was killed, the next one on this machine removes.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TextIO

from ..transforms.live_counts import FOLDER_VARIABLE, OWNER, is_abandoned, own
from .stopping import SIGNALS
from .terminal import say

_PREFIX, _VARIABLE = "image-analysis-beam-", "TMPDIR"
_TIMES = 3
_ONE_AT_A_TIME = threading.Lock()
_FORMER: dict[str, str | None] = {}  # what variables of the environment were that a command has set
_OF_JOB_SERVERS = "beam-temp*"  # one that misses its folder when the interpreter ends is not stopped


@contextmanager
def temporary_files() -> Iterator[None]:
    """Temporary files go to a folder of this command, also those of the processes that it starts.

    That is told by the environment, which is the whole process's: a command of another thread waits for its turn.
    """
    with _turn():
        _remove_abandoned()
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            owner = own(folder)
        except OSError:  # who needs one will say so
            yield
            return
        SIGNALS.tidy = tidy = partial(_give_up, folder, owner)
        atexit.register(tidy)  # before Beam registers what stops its job server, so that it is done after that
        usual, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            with _variable(_VARIABLE, str(folder)):
                yield
        finally:
            tempfile.tempdir = usual
            if not any(folder.glob(_OF_JOB_SERVERS)):
                atexit.unregister(tidy)
                tidy()


@contextmanager
def live_folder() -> Iterator[Path | None]:
    """The folder through which the processes of a run know of each other (`transforms/live_counts.py`).

    It is named by the environment meanwhile; None where none can be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="live-"))
    except OSError:
        yield None
        return
    try:
        with _variable(FOLDER_VARIABLE, str(folder)):
            yield folder
    finally:
        remove_folder(folder)


@contextmanager
def _turn() -> Iterator[None]:
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        say("another command runs in this process; waiting for its end")
        _ONE_AT_A_TIME.acquire()
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Sets a variable of the environment meanwhile."""
    _FORMER[name] = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        _give_back(name)


def _give_back(name: str) -> None:
    del os.environ[name]
    if (former := _FORMER.pop(name)) is not None:
        os.environ[name] = former


def _leave_to_the_parent() -> None:
    """A process that was forked while a command ran has no part in it."""
    global _ONE_AT_A_TIME
    _ONE_AT_A_TIME = threading.Lock()
    atexit.unregister(SIGNALS.tidy)
    if _FORMER:
        tempfile.tempdir = None
    for name in list(_FORMER):
        _give_back(name)


os.register_at_fork(after_in_child=_leave_to_the_parent)


def remove_folder(folder: Path) -> None:
    """Removes it, in whatever way it may be written to meanwhile."""
    gone = folder.with_name(f"{folder.name}.gone")
    with suppress(OSError):
        folder.rename(gone)  # from now on nobody finds it who writes to it; who has found it may add one more file
    for _ in range(_TIMES):
        _remove(gone)


def _give_up(folder: Path, owner: TextIO) -> None:
    """Removes a folder of ours, which nobody else does as long as it has its owner; a signal may have done it."""
    remove_folder(folder)
    owner.close()


def _remove_abandoned() -> None:
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            if is_abandoned(folder):
                _remove(folder)


def _remove(folder: Path) -> None:
    """Its owner's file goes last: without it nobody would know what is left, where this process is killed meanwhile."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != OWNER:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
