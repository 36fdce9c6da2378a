"""A few rows of a view, and all that is known of one image. Reads little, however large the folder is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import duckdb

from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.endpoint.uri import image_id
from .database import Folder, opened
from .definitions import VIEWS
from .text import as_dicts

_ID = re.compile(r"[0-9a-f]{32}")
_CANDIDATES = 20  # images that are looked at for a row: of failures, some are answered by now
# The tables whose first rows name the images of a view's first rows.
_SAMPLED = {
    **{name: (name,) for name in VIEWS},
    "failures": ("dead_letters", "deferred"),
    "outcomes": ("inputs",),
    "answers": ("images",),
    "cost": (),
    "runs": (),
    "former": (),
}
_KEYS = {"inputs": "coalesce(image_id, line_id)"}
_ORDERS = {
    "outcomes": " ORDER BY list, position",
    "inputs": " ORDER BY list, position",
    "runs": " ORDER BY number DESC",
}

_CALLS = """
SELECT run_id, 'answered' AS result, features, analyzed_at AS called_at, attempts, latency_ms, billed_units, request_id,
    region, model_version, copy_of, NULL AS message
FROM raw.images
UNION ALL BY NAME
SELECT run_id, class AS result, last_attempt_at AS called_at, attempts, billed_units, request_id, region,
    copy_of, message
FROM raw.dead_letters
UNION ALL BY NAME
SELECT run_id, 'deferred: ' || reason AS result, detail AS message FROM raw.deferred
ORDER BY called_at
"""
_LISTED = """
SELECT list, position, coalesce(uri, raw) AS given, path, mistake, image_id, line_id FROM inputs ORDER BY list, position
"""
_READ = """
SELECT DISTINCT l.run_id FROM known.lists l JOIN raw.inputs i ON i.list = l.list AND i.run_id = l.held_by
"""
_NEXT = "SELECT place, reason, message, what_to_do, next, features FROM failures"
EMULATOR = "-emulator"  # what the emulator's versions of the model end in
_EMULATED = f"SELECT count(*) FROM (FROM raw.images LIMIT 1000) WHERE ends_with(model_version, '{EMULATOR}')"
_HELD = "SELECT feature, run_id, analyzed_at FROM answers ORDER BY feature"


class Rows(NamedTuple):
    """What a query found; whether it is, or stems from, answers of an emulator."""

    names: list[str]
    rows: list[tuple[Any, ...]]
    are_emulated: bool = False

    def dicts(self) -> list[dict[str, Any]]:
        return as_dicts(self.names, self.rows)


def some_rows(folder: Folder, name: str, number: int) -> Rows:
    """A few rows of a view, of the newest run that has any; or of `raw.<table>`."""
    query = f"FROM {name}{_ORDERS.get(name, '')} LIMIT {number}"
    if sampled := _SAMPLED.get(name, ()):
        ids = _sample(folder, sampled, number)
        found = _asked(folder, query, ids)
        if found.rows:
            return found._replace(are_emulated=are_emulated(folder, ids))
    found = _asked(folder, query)
    stem_from_answers = bool(found.rows) and "image_id" in found.names
    return found._replace(are_emulated=stem_from_answers and are_emulated(folder))


def are_emulated(folder: Folder, only: list[str] | None = None) -> bool:
    """Whether an emulator gave any of the first answers in the folder, or of those to `only` these images."""
    ((number,),) = _asked(folder, _EMULATED, only).rows
    return bool(number)


def known_of(folder: Folder, given: str) -> dict[str, Any]:
    """All that is known of an image, by its URI as any list has it, its path, or its id; or of a line without a URI.

    Raises:
      ConfigurationError: nothing is.
    """
    for ids in (_ids(given), _ids_by_list(folder, given)):
        with opened(folder, "; ".join((_LISTED, _CALLS, _READ, _NEXT, _HELD)), _with_former(folder, ids)) as connection:
            listed, calls = (_found(connection, query).dicts() for query in (_LISTED, _CALLS))
            if not listed and not calls:
                continue
            read = {run for (run,) in connection.execute(_READ).fetchall()}
            held = _found(connection, _HELD).dicts()
            open_ = _found(connection, _NEXT).dicts()
        return {
            "image_id": next((row["image_id"] or row["line_id"] for row in listed), ids[0]),
            "listed": [{key: row[key] for key in ("list", "position", "given", "path", "mistake")} for row in listed],
            "runs": _runs(folder, calls, read),
            "held": held,
            "open": open_,
        }
    rule = "no run of the folder has read or called it"
    raise ConfigurationError(f"image {given!r}", rule, f"name it as a list does; the views: {', '.join(VIEWS)}")


def _runs(folder: Folder, calls: list[dict[str, Any]], read: set[str]) -> list[dict[str, Any]]:
    """What each run did with the image, also those that had it listed and did not call it."""
    rows: list[dict[str, Any]] = []
    for run_id in folder.manifests:
        of_run = [call for call in calls if call["run_id"] == run_id]
        if not of_run and run_id in read:
            of_run = [{"run_id": run_id, "result": _why_skipped(rows)}]
        rows += of_run
    return rows


def _why_skipped(before: list[dict[str, Any]]) -> str:
    last = next((row["result"] for row in reversed(before) if not row["result"].startswith("skipped")), "")
    if last == "answered":
        return "skipped: answered before"
    return f"skipped: known as {last}" if last else "skipped"


def _ids(given: str) -> list[str]:
    return [given if _ID.fullmatch(given) else image_id(given)]


def _ids_by_list(folder: Folder, given: str) -> list[str]:
    query = "SELECT DISTINCT coalesce(image_id, line_id) FROM raw.inputs WHERE ? IN (uri, raw, path)"
    with opened(folder, query) as connection:
        return [one for (one,) in connection.execute(query, [given]).fetchall()]


def _sample(folder: Folder, tables: Iterable[str], number: int) -> list[str]:
    ids: list[str] = []
    for table in tables:
        key = _KEYS.get(table, "image_id")
        query = f"SELECT DISTINCT id FROM (SELECT {key} AS id FROM raw.{table} LIMIT {_CANDIDATES * number})"
        ids += [one for (one,) in _asked(folder, query).rows]
    return _with_former(folder, ids)


def _with_former(folder: Folder, ids: list[str]) -> list[str]:
    """These ids, and those that other versions gave the images."""
    query = "SELECT image_id, former_id FROM former"
    pairs = _asked(folder, query).rows
    wanted = set(ids)
    return [*ids, *(one for pair in pairs if wanted & set(pair) for one in pair)]


def _asked(folder: Folder, query: str, only: list[str] | None = None) -> Rows:
    with opened(folder, query, only) as connection:
        return _found(connection, query)


def _found(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    result = connection.execute(query)
    return Rows([name for name, *_ in result.description or ()], result.fetchall())
