"""What is removed after a commit: what no reader needs any more. Every removal rests on a record.

A file that a committed run names is never removed, nor is a journal segment that was not listed before: who wakes up
late may write one, and the next owner takes it in.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from ...schemas import TABLES
from ..files.many import list_folder, remove_empty_folders, remove_folder, remove_many
from .layout import Layout
from .log import entry_of
from .members import remove_members
from .records import FENCED, Record, TakenOver, is_committed, read_record


def tidy(layout: Layout, run_id: str, record: Record, takes_in: bool = True) -> None:
    """Removes what a run that is committed has taken in, and what runs with a record left. It can be done again.

    `takes_in`: it took in the journals that were there; where it has not, they are left to one that does.
    """
    entry = entry_of(layout, run_id) if takes_in else None
    taken_in = entry.reads if entry else []
    remove_many(chain(map(layout.path, taken_in), (file.path for file in list_folder(layout.journal(run_id)))))
    remove_empty_folders(layout.journal(run_id))
    others = {*layout.runs_with("/"), *layout.runs_with(".started"), *layout.files("staging")}
    others |= {name.split("/")[1].removeprefix("run=") for name in taken_in}
    for run in sorted(others - {run_id}):
        if ended := read_record(layout, run):
            remove_traces(layout, run, ended)
    remove_traces(layout, run_id, record)


def remove_traces(layout: Layout, run_id: str, record: Record) -> None:
    """Removes what a run with this record left, but for what it paid: staged files, uncounted ones, claims, beats."""
    remove_many(_uncounted(layout, run_id, record))
    remove_many(_no_segments(layout, run_id))
    remove_folder(layout.staging(run_id))
    remove_empty_folders(layout.journal(run_id))
    remove_many([layout.former_mark(run_id)])
    remove_members(layout, run_id)


@contextmanager
def leaving_nothing_if_taken_over(layout: Layout, run_id: str) -> Iterator[None]:
    """A run that learns that it was taken over removes what it has written: who took it over may have looked before."""
    try:
        yield
    except TakenOver:
        remove_traces(layout, run_id, {"status": FENCED})
        raise


def _uncounted(layout: Layout, run_id: str, record: Record) -> Iterator[str]:
    """The files in the run's partitions that its manifest does not name; of a fenced run, all."""
    named = set(_names(record)) if is_committed(record) else set()
    for table in TABLES:
        for file in list_folder(layout.partition(table, run_id)):
            if (table, posixpath.basename(file.path)) not in named:
                yield file.path


def _no_segments(layout: Layout, run_id: str) -> Iterator[str]:
    """What is no segment in a journal: claims, and files of who ended while it wrote them.

    Where somebody still does, that fails: the answers were not durable yet.
    """
    for file in list_folder(layout.journal(run_id)):
        name = posixpath.basename(file.path)
        if name.startswith(".") or not name.endswith(".parquet"):
            yield file.path


def _names(record: Record) -> Iterable[tuple[str, str]]:
    for table, entry in record["tables"].items():
        yield from ((table, posixpath.basename(name)) for name in entry["files"])
