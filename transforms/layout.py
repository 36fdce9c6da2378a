"""Where everything lies below an output folder, and which runs of it are committed, dead or alive.

out/runs/<run id>.json              the manifest, written last: its presence is the commit
out/runs/<run id>.started           who writes this run (host, process), while it runs
out/<table>/run=<run id>/*.parquet  one partition per run
out/journal/run=<run id>/*.parquet  answers of a run that is not committed yet
out/staging/run=<run id>/…          files that are being written
"""

from __future__ import annotations

import os
import posixpath
import re
import secrets
import socket
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import NamedTuple

from apache_beam.io.filesystem import FileMetadata

from . import storage

ABANDONED_AFTER = 900.0  # seconds without a sign of life from a run on another machine
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_RUN_IN_PATH = re.compile(r"/run=([^/]+)/")


def new_run_id(now: datetime | None = None) -> str:
    """UTC time to the second and 4 random hex digits; sorts by time."""
    return f"{now or datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


class Layout(NamedTuple):
    """The paths below one output folder."""

    output: str

    def manifest(self, run_id: str) -> str:
        return storage.join(self.output, "runs", f"{run_id}.json")

    def started(self, run_id: str) -> str:
        return storage.join(self.output, "runs", f"{run_id}.started")

    def partition(self, table: str, run_id: str) -> str:
        return storage.join(self.output, table, f"run={run_id}")

    def journal(self, run_id: str) -> str:
        return self.partition("journal", run_id)

    def staging(self, run_id: str) -> str:
        return self.partition("staging", run_id)

    def committed_runs(self) -> list[str]:
        """The ids of the runs with a manifest, oldest first."""
        names = (
            posixpath.basename(file.path) for file in storage.list_files(storage.join(self.output, "runs", "*.json"))
        )
        return [name[:-5] for name in names if _RUN_ID.fullmatch(name[:-5])]

    def files(self, table: str) -> dict[str, list[str]]:
        """The Parquet files of a table (or of the journal), by run id, whether committed or not."""
        found: dict[str, list[str]] = {}
        for file in storage.list_files(storage.join(self.output, table, "run=*", "*.parquet")):
            match = _RUN_IN_PATH.search(file.path.replace(os.sep, "/"))
            if match and not posixpath.basename(file.path).startswith("."):
                found.setdefault(match[1], []).append(file.path)
        return found

    def mark_started(self, run_id: str, local: bool) -> None:
        """Says that this run is being written: by this process where `local`, else by workers elsewhere."""
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "process_started": _process_started(os.getpid())}
        storage.write_json(self.started(run_id), owner if local else {})

    def dead_runs(self, but: str, clock: Callable[[], float] = time.time) -> list[str]:
        """The ids of runs that were started, have no manifest, and are not being written any more.

        A run of this machine is alive as long as its process is; one of another machine as long as its start or a
        journal segment is younger than `ABANDONED_AFTER`.
        """
        started = storage.list_files(storage.join(self.output, "runs", "*.started"))
        by_run = {posixpath.basename(file.path)[: -len(".started")]: file for file in started}
        committed = {*self.committed_runs(), but}
        journals = self._last_journalled()
        dead = [run for run in journals.keys() - by_run.keys() - committed if clock() - journals[run] > ABANDONED_AFTER]
        for run, file in by_run.items():
            if run not in committed and not _is_alive(file, journals.get(run, 0.0), clock()):
                dead.append(run)
        return sorted(dead)

    def tidy(self) -> None:
        """Removes the journals and marks of runs that were killed between their commit and the end."""
        committed = self.committed_runs()
        for file in storage.list_files(storage.join(self.output, "runs", "*.started")):
            run = posixpath.basename(file.path)[: -len(".started")]
            if run in committed:
                self.remove_traces(run, [])

    def _last_journalled(self) -> dict[str, float]:
        newest: dict[str, float] = {}
        for file in storage.list_files(storage.join(self.output, "journal", "run=*", "*.parquet")):
            match = _RUN_IN_PATH.search(file.path.replace(os.sep, "/"))
            if match:
                newest[match[1]] = max(newest.get(match[1], 0.0), file.last_updated_in_seconds or 0.0)
        return newest

    def remove_traces(self, run_id: str, tables: list[str]) -> None:
        """Removes what a dead run left: half-written partitions, staged files, its journal, its mark."""
        for table in [*tables, "staging", "journal"]:
            storage.remove_folder(self.partition(table, run_id))
        storage.remove([self.started(run_id)])


def _is_alive(mark: FileMetadata, last_journalled: float, now: float) -> bool:
    try:
        owner = storage.read_json(mark.path)
    except (OSError, ValueError):
        owner = {}
    if owner.get("host") == socket.gethostname():
        return _process_started(owner["pid"]) == owner["process_started"] is not None
    return now - max(mark.last_updated_in_seconds or 0.0, last_journalled) <= ABANDONED_AFTER


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
            return file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return "unknown"
