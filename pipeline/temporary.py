"""The temporary files of a command, Beam's and ours, in one folder that is gone when it has ended.

What a command leaves that was killed, the next one on this machine removes.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ..transforms.live_counts import FOLDER_VARIABLE, is_abandoned, own
from .stopping import SIGNALS

_PREFIX, _VARIABLE = "image-analysis-beam-", "TMPDIR"
_TIMES = 3
_OF_JOB_SERVERS = "beam-temp*"  # one that misses its folder when the interpreter ends is not stopped


@contextmanager
def temporary_files() -> Iterator[None]:
    """Temporary files go to a folder of this command, also those of the processes that it starts."""
    _remove_abandoned()
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        owner = own(folder)
    except OSError:  # who needs one will say so
        yield
        return
    usual, inherited = tempfile.tempdir, os.environ.get(_VARIABLE)
    tempfile.tempdir = os.environ[_VARIABLE] = str(folder)
    SIGNALS.tidy = tidy = partial(remove_folder, folder)
    atexit.register(tidy)  # before Beam registers what stops its job server, so that it is done after that
    try:
        with owner:
            yield
    finally:
        tempfile.tempdir = usual
        del os.environ[_VARIABLE]
        if inherited is not None:
            os.environ[_VARIABLE] = inherited
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
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        del os.environ[FOLDER_VARIABLE]
        remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Removes it, in whatever way it may be written to meanwhile."""
    gone = folder.with_name(f"{folder.name}.gone")
    with suppress(OSError):
        folder.rename(gone)  # from now on nobody finds it who writes to it; who has found it may add one more file
    for _ in range(_TIMES):
        shutil.rmtree(gone, ignore_errors=True)


def _remove_abandoned() -> None:
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            if is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
