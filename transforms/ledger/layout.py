"""Where everything lies below an output folder.

The folder's name is taken as it is: whatever it holds (`out [1]`, `a*b`), it is no pattern.

out/runs/log/<n>.json                 the n-th owner of the folder (`log.py`)
out/runs/<run id>.json                the record of a run: its manifest, or that it counts nowhere (`records.py`)
out/runs/<run id>/members/<process>   a beat of a process that works for the run (`members.py`)
out/runs/<run id>/lanes/<host>/…      leases of the processes that call a resource (`fleet/lease.py`)
out/runs/<run id>/tallies/…           what each has counted, where a limit is on that (`guards.py`)
out/<table>/run=<run id>/*.parquet    one partition per run
out/journal/run=<run id>/<batch>/…    what was paid for in a run that is not committed yet (`journal.py`, `claims.py`)
out/staging/run=<run id>/…            files that are being written
"""

from __future__ import annotations

import os
import posixpath
import re
import secrets
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from ..files import storage
from ..files.many import list_folder

_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_IN_PARTITION = re.compile(r"/run=([^/]+)/(?:[^/.]+/)?[^/.][^/]*\.parquet")


def new_run_id(now: datetime | None = None) -> str:
    """UTC time to the second and 4 random hex digits; sorts by time."""
    return f"{now or datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def run_of(name: str) -> str:
    """The run whose partition a file is in, by its name below the output folder."""
    match = _IN_PARTITION.search(name)
    return match[1] if match else ""


class Layout(NamedTuple):
    """The paths below one output folder."""

    output: str

    @property
    def log(self) -> str:
        return storage.join(self.output, "runs", "log")

    def record(self, run_id: str) -> str:
        return storage.join(self.output, "runs", f"{run_id}.json")

    def members(self, run_id: str) -> str:
        return storage.join(self.output, "runs", run_id, "members")

    def lanes(self, run_id: str) -> str:
        return storage.join(self.output, "runs", run_id, "lanes")

    def tallies(self, run_id: str) -> str:
        return storage.join(self.output, "runs", run_id, "tallies")

    def former_mark(self, run_id: str) -> str:
        """What said, in a version without a log, that a run is being written."""
        return storage.join(self.output, "runs", f"{run_id}.started")

    def partition(self, table: str, run_id: str) -> str:
        return storage.join(self.output, table, f"run={run_id}")

    def journal(self, run_id: str) -> str:
        return self.partition("journal", run_id)

    def staging(self, run_id: str) -> str:
        return self.partition("staging", run_id)

    def published(self, table: str, run_id: str, staged: str) -> str:
        """Where a staged file goes."""
        return storage.join(self.partition(table, run_id), posixpath.basename(staged.replace(os.sep, "/")))

    def path(self, name: str) -> str:
        """The path of a file by its name below the folder, as `name` gives it."""
        return storage.join(self.output, name)

    def name(self, path: str) -> str:
        """A file's name below the folder: it holds wherever the folder is moved to."""
        return path[len(self.output) :].replace(os.sep, "/").lstrip("/")

    def files(self, table: str) -> dict[str, list[str]]:
        """The Parquet files of a table (or of the journal, or staged), by run id, whether committed or not."""
        found: dict[str, list[str]] = {}
        for run, path in self.iterate_files(table):
            found.setdefault(run, []).append(path)
        return found

    def iterate_files(self, table: str) -> Iterator[tuple[str, str]]:
        """`(run id, path)` of these files, one page of a listing at a time."""
        folder = storage.join(self.output, table)
        for file in list_folder(folder):
            path = file.path
            if match := _IN_PARTITION.fullmatch(path[len(folder) :].replace(os.sep, "/")):
                yield match[1], path

    def runs_with(self, ending: str) -> list[str]:
        """The ids of runs of which `runs/` holds a file `<run id><ending>`, or a folder of that name, oldest first."""
        folder, found = storage.join(self.output, "runs"), set()
        for file in list_folder(folder):
            name = file.path[len(folder) :].replace(os.sep, "/").lstrip("/")
            run = name.partition("/")[0] if ending == "/" and "/" in name else name.removesuffix(ending)
            if run != name and _RUN_ID.fullmatch(run):
                found.add(run)
        return sorted(found)
