"""The record of a run: created once, never replaced. Its presence says how the run ended.

It is `committed` with the manifest, after all its tables are in place; or `fenced`: the run counts nowhere, whatever it
still writes. A later run fences one that it found dead, a run that fails fences itself. Exactly one of them succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ..endpoint.errors import ConfigurationError
from ..files.create_once import create_or_read, read_if_there
from ..files.many import read_many
from .layout import Layout

Record = dict[str, Any]
MANIFEST_VERSION = 1
COMMITTED, FENCED = "committed", "fenced"


class TakenOver(Exception):
    """Another run has fenced this one; nothing that it still does counts."""


def read_record(layout: Layout, run_id: str) -> Record | None:
    """How a run ended; None where that is undecided.

    Raises:
      ConfigurationError: the record is damaged.
    """
    found = read_if_there(layout.record(run_id))
    return None if found is None else _parsed(layout, run_id, found)


def read_records(layout: Layout, runs: Iterable[str]) -> Iterator[tuple[str, Record | None]]:
    """The records of runs, as `read_record` gives them."""
    runs = list(runs)
    for run, found in zip(runs, read_many(map(layout.record, runs)), strict=True):
        yield run, None if found is None else _parsed(layout, run, found)


def unless_fenced(layout: Layout, runs: list[str]) -> list[str]:
    """Those of runs with a record that are not fenced; a damaged record is somebody's manifest."""
    return [run for run, text in zip(runs, read_many(map(layout.record, runs)), strict=True) if not _is_fence(text)]


def commit(layout: Layout, run_id: str, manifest: Record) -> Record:
    """Commits a run; returns its record, which may be that of an earlier try.

    Raises:
      TakenOver: it was fenced before.
    """
    return check_owner(_decide(layout, run_id, {"status": COMMITTED, **manifest}))


def fence(layout: Layout, run_id: str, by: str) -> Record:
    """Ends a run that has no record as one that counts nowhere; returns its record, which may be an earlier one."""
    return _decide(layout, run_id, {"status": FENCED, "run_id": run_id, "by": by})


def is_committed(record: Record | None) -> bool:
    """Whether a run is committed; those of before there were fenced ones do not say so."""
    return record is not None and record.get("status", COMMITTED) == COMMITTED


def check_owner(record: Record) -> Record:
    """The record of a run that is not fenced.

    Raises:
      TakenOver: it is.
    """
    if not is_committed(record):
        raise TakenOver(f"run {record.get('run_id')} was taken over by {record.get('by')}")
    return record


def check_manifest(path: str, record: Record | None) -> Record:
    """The record at `path`, which names the tables of a run with their `rows` and `files`, and the lists that it read.

    Raises:
      ConfigurationError: it is damaged or gone.
    """
    if record is None:
        raise damaged(path, "it is not there")
    tables = record.get("tables")
    if not isinstance(tables, dict):
        raise damaged(path, "it has no 'tables'")
    for name, entry in tables.items():
        if not _is_table(entry):
            raise damaged(path, f"it does not tell the rows and files of {name!r}")
    lists = record.get("lists", [])
    if not isinstance(lists, list) or not all(map(_is_list, lists)):
        raise damaged(path, "it does not tell name, rows, digest and run of each of its 'lists'")
    return record


def _is_table(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("rows"), int):
        return False
    files = entry.get("files")
    return isinstance(files, list) and all(isinstance(name, str) for name in files)


def _is_list(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("rows"), int):
        return False
    return all(isinstance(entry.get(name), str) for name in ("list", "digest", "run_id"))


def _decide(layout: Layout, run_id: str, record: Record) -> Record:
    text = json.dumps(record, indent=2, ensure_ascii=False).encode()
    return _parsed(layout, run_id, create_or_read(layout.record(run_id), text))


def _is_fence(text: bytes | None) -> bool:
    with suppress(ValueError, AttributeError, RecursionError):
        return bool(json.loads(text or "{}").get("status") == FENCED)
    return False


def _parsed(layout: Layout, run_id: str, text: bytes) -> Record:
    path = layout.record(run_id)
    try:
        record: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no whole JSON ({error})") from None
    if not isinstance(record, dict):
        raise damaged(path, "it is no JSON object")
    return record


def damaged(path: str, rule: str, what: str = "manifest") -> ConfigurationError:
    """A file of the ledger that somebody has changed."""
    return ConfigurationError(f"{what} {path!r}", rule, "restore it from a copy; the tables are untouched")
