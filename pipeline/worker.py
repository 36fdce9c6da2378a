"""A worker of the multi-processing mode: Beam's own, which ends with the process that started it.

Beam's stays for ever where it has lost that one before its first bundle. And it says nothing of errors: who started it
tells of them.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from apache_beam.runners.worker import sdk_worker, sdk_worker_main

from ..transforms.live_counts import FOLDER_VARIABLE, is_abandoned

_SECONDS = 0.05


def hush() -> None:
    """Keeps Beam's workers, also those in this process, from printing what they log and raise as well."""
    vars(sdk_worker)["print"] = _nothing


def _nothing(*_: object, **__: object) -> None:
    pass


def _end_with(folder: Path) -> None:
    never = threading.Event()
    while folder.exists() and not is_abandoned(folder.parent):
        never.wait(_SECONDS)
    os._exit(1)  # nobody takes in what it would pay


if __name__ == "__main__":
    if live_folder := os.environ.get(FOLDER_VARIABLE):
        threading.Thread(target=_end_with, args=[Path(live_folder)], daemon=True).start()
    hush()
    sdk_worker_main.main(sys.argv)
