"""The log of owners: a run becomes owner of its output folder by creating the next entry, and by nothing else.

Only the newest run of the log may be undecided. An entry says what its run plans from: the runs that are committed by
then, and the journal segments that are there by then. Nothing that is not named in it is read or removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ..endpoint.request import AnalyzeRequest, known_request
from ..files.create_once import create_once, read_if_there
from ..files.many import list_folder, read_many
from ..files.storage import join
from .layout import Layout
from .records import check_manifest, damaged, is_committed, read_record, read_records, unless_fenced

_NUMBER = re.compile(r"/(\d{8,})\.json$")


class Entry(NamedTuple):
    """The `number`-th owner: a run, what tells its process from others, and what it plans from.

    `committed`: runs, in the order of the log. `reads`: names of journal segments. `request`: what the run asks.
    """

    number: int
    run_id: str
    owner: dict[str, Any]
    committed: list[str]
    reads: list[str]
    request: dict[str, Any]


class Past(NamedTuple):
    """What an output folder says of its runs: `undecided` have no record; of the newest entry, number and owner."""

    number: int
    owner: dict[str, Any]
    committed: list[str]
    undecided: list[str]


def newest_entry(layout: Layout) -> Entry | None:
    """The newest entry; None where there is no log. A listing may lag behind, so the names after it are tried."""
    listed = (_NUMBER.search(file.path) for file in list_folder(layout.log))
    number = max((int(match[1]) for match in listed if match), default=0)
    newest = _read(layout, number) if number else None
    while found := _read(layout, number + 1):
        newest, number = found, number + 1
    return newest


def entry_of(layout: Layout, run_id: str) -> Entry | None:
    """The entry of a run; None where it never became owner."""
    entry = newest_entry(layout)
    while entry and entry.run_id != run_id:
        entry = _read(layout, entry.number - 1) if entry.number > 1 else None
    return entry


def create_entry(layout: Layout, entry: Entry) -> bool:
    """Whether the entry is there, and this one. Its owner holds a token: no other has the same."""
    return create_once(_path(layout, entry.number), json.dumps(entry._asdict(), indent=1).encode())


def look(layout: Layout) -> Past:
    """What an output folder says of its runs; nothing is changed."""
    entry = newest_entry(layout)
    if entry is None:
        return _before_the_log(layout)
    record = read_record(layout, entry.run_id)
    committed = [*entry.committed, *([entry.run_id] if is_committed(record) else [])]
    return Past(entry.number, entry.owner, committed, [entry.run_id] if record is None else [])


def committed_runs(layout: Layout) -> list[str]:
    """The ids of the committed runs, oldest first."""
    return look(layout).committed


def history_of(layout: Layout, run_id: str) -> tuple[list[str], list[str]]:
    """What a run plans from: committed runs, and names of journal segments; of no run, what it would be now."""
    entry = entry_of(layout, run_id) if run_id else None
    return (entry.committed, entry.reads) if entry else (committed_runs(layout), journal_segments(layout))


def entries(layout: Layout) -> list[Entry]:
    """The whole log, oldest first."""
    newest = newest_entry(layout)
    paths = [_path(layout, number) for number in range(1, newest.number + 1)] if newest else []
    return [_parsed(path, found) for path, found in zip(paths, read_many(paths), strict=True) if found is not None]


def earlier_requests(layout: Layout, log: Iterable[Entry], committed: Iterable[str]) -> set[AnalyzeRequest]:
    """What earlier runs have asked, by the log; where that does not say it, committed runs by their manifests."""
    told = {entry.run_id: entry.request for entry in log if entry.request}
    told |= {run: (record or {}).get("request", {}) for run, record in read_records(layout, set(committed) - set(told))}
    texts = {json.dumps(asked, sort_keys=True) for asked in told.values()}
    return {request for text in texts if (request := known_request(json.loads(text)))}


def committed_files(layout: Layout, runs: Iterable[str], *tables: str) -> Iterator[tuple[str, str, int]]:
    """Table and path of the files of tables in committed runs, as their manifests name them; how many runs were before.

    Raises:
      ConfigurationError: a manifest is damaged or gone.
    """
    for number, (run, record) in enumerate(read_records(layout, runs)):
        named = check_manifest(layout.record(run), record)["tables"]
        for table in tables:
            for name in named[table]["files"] if table in named else ():
                yield table, layout.path(name), number


def journal_segments(layout: Layout) -> list[str]:
    """The names of all journal segments that are there."""
    return sorted(layout.name(path) for _, path in layout.iterate_files("journal"))


def _before_the_log(layout: Layout) -> Past:
    """A folder that is new, or of a version that had no log: its manifests, and what its runs left in the works."""
    runs = layout.runs_with(".json")
    begun = {*layout.runs_with(".started"), *(run for run, _ in layout.iterate_files("journal"))}
    return Past(0, {}, unless_fenced(layout, runs), sorted(begun - set(runs)))


def _path(layout: Layout, number: int) -> str:
    return join(layout.log, _name(number))


def _name(number: int) -> str:
    return f"{number:08d}.json"


def _read(layout: Layout, number: int) -> Entry | None:
    found = read_if_there(_path(layout, number))
    return None if found is None else _parsed(_path(layout, number), found)


def _parsed(path: str, found: bytes) -> Entry:
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        facts = json.loads(found)
        entry = Entry(**{name: facts[name] for name in Entry._fields[:-1]}, request=facts.get("request", {}))
        if path.endswith(_name(entry.number)) and _is_as_written(entry):
            return entry
    raise damaged(path, "it is no entry of the log", "log")


def _is_as_written(entry: Entry) -> bool:
    names = [entry.run_id, *entry.committed, *entry.reads]
    lists, objects = (entry.committed, entry.reads), (entry.owner, entry.request)
    return (
        all(isinstance(name, str) for name in names)
        and all(isinstance(part, list) for part in lists)
        and all(isinstance(part, dict) for part in objects)
    )
