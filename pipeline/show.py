"""`image-analysis-beam show OUT [NAME | URI]`: a quick look at an output folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..schemas import TABLES
from .arguments import Parser
from .manifests import Manifest, as_it_was_written
from .sql import told
from .terminal import counted, out
from .views.database import Folder
from .views.definitions import VIEWS
from .views.look import Rows, are_emulated, known_of, some_rows
from .views.text import plain, table_text

ROWS, RUNS = 10, 10
_WIDTH = 44
_HIDDEN = {"image_id", "fingerprint", "run_id", "request_id", "body", "id", "spans", "polygon", "stored_id", "line_id"}
_MOST_COLUMNS = 9
_EMULATED = "answers are the emulator's, not the service's"
_ACCOUNTS = ("input", "analyzed", "dead_letters", "deferred", "skipped", "duplicates")


def main(argv: list[str]) -> int:
    """Prints what is asked for; returns the exit code.

    Raises:
      ConfigurationError: there is no committed run in the folder, or nothing of that name.
    """
    parser = Parser(prog="image-analysis-beam show", description="A quick look at an output folder.")
    parser.add_argument("output", help="the output folder of the job")
    parser.add_argument(
        "what",
        nargs="?",
        help=f"a view ({', '.join(VIEWS)}), raw.TABLE, or an image by its URI, path or id; else the runs",
    )
    parser.add_argument("--rows", type=int, default=ROWS, help=f"how many rows of a view; default: {ROWS}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_intermixed_args(argv)
    folder = Folder(given.output)
    with told(f"show {given.what or ''}".strip(), folder), as_it_was_written(folder.layout.output):
        if not given.what:
            _show_runs(folder, given.json)
        elif given.what in VIEWS or (given.what.removeprefix("raw.") in TABLES and given.what.startswith("raw.")):
            _show_rows(some_rows(folder, given.what, max(given.rows, 0)), given.json)
        else:
            _show_image(known_of(folder, given.what), given.json)
    return 0


def _show_runs(folder: Folder, as_json: bool) -> None:
    runs = list(folder.manifests.values())
    if as_json:
        out(json.dumps([_short(manifest) for manifest in runs], indent=2))
        return
    rows = [tuple(_short(manifest).values()) for manifest in runs[-RUNS:]]
    head = [f"{counted(len(runs), 'run')}, the newest last:", *table_text(list(_short(runs[-1])), [rows])]
    out("\n".join([*head, "", *_newest(folder, runs[-1])]))


def _short(manifest: Manifest) -> dict[str, Any]:
    accounts = {name: manifest["conservation"][name] for name in _ACCOUNTS}
    asked = manifest["request"].get("features") or [manifest["request"].get("model_name") or ""]
    whole = "complete" if manifest["complete"] else "incomplete"
    return {"run": manifest["run_id"], "asked": ",".join(asked), "result": whole, **accounts}


def _newest(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """The newest run: what happened, and its tables."""
    yield f"run {manifest['run_id']}:"
    for reason, numbers in (("dead letters", "dead_letters"), ("deferred", "deferred"), ("skipped", "skipped")):
        if manifest[numbers]:
            yield f"{reason}: {', '.join(f'{number} {name}' for name, number in manifest[numbers].items())}"
    for name, entry in manifest["tables"].items():
        if entry["rows"]:
            yield f"{name}: {counted(entry['rows'], 'row')} in {folder.layout.partition(name, manifest['run_id'])}"
    if are_emulated(folder):
        yield _EMULATED
    yield ""
    yield "show OUT failures, show OUT tags, …: some rows. show OUT URI: what is known of an image."


def _show_rows(found: Rows, as_json: bool) -> None:
    if as_json:
        out(json.dumps(found.dicts(), indent=2, ensure_ascii=False))
        return
    shown = [index for index, name in enumerate(found.names) if name not in _HIDDEN and not name.endswith("_id")]
    shown = shown[:_MOST_COLUMNS]
    rows = [[row[index] for index in shown] for row in found.rows]
    for text in table_text([found.names[index] for index in shown], [rows], _WIDTH):
        out(text)
    if found.are_emulated:
        out(f"\n{_EMULATED}")


def _show_image(known: dict[str, Any], as_json: bool) -> None:
    if as_json:
        out(json.dumps(plain(known), indent=2, ensure_ascii=False))
        return
    out("\n".join(_image_lines(known)))


def _image_lines(known: dict[str, Any]) -> Iterator[str]:
    yield f"image {known['image_id']}"
    for row in known["listed"]:
        mistake = f": {row['mistake']}" if row["mistake"] else ""
        yield f"listed in {row['list']}, {_place(row['position'])}{row['given']}{mistake}"
    for row in known["runs"]:
        yield f"run {row['run_id']}: {', '.join(_facts(row))}"
    for row in known["held"]:
        yield f"held: {row['feature']}, of run {row['run_id']}"
    for row in known["open"]:
        yield f"next: {row['next']}; {row['what_to_do'] or row['message']}"
    if not known["open"]:
        yield "next: what is held is not called again"


def _facts(row: dict[str, Any]) -> Iterator[str]:
    yield row["result"] + (f" ({', '.join(row['features'])})" if row.get("features") else "")
    if row.get("attempts"):
        yield counted(row["attempts"], "attempt")
    if row.get("copy_of"):
        yield f"as image {row['copy_of']}, of the same bytes"
    elif row.get("latency_ms") is not None:
        yield f"{row['latency_ms']:.0f} ms"
    if row.get("model_version"):
        yield f"model {row['model_version']}"
    if row.get("request_id"):
        yield f"request {row['request_id']}"
    if row.get("message"):
        yield row["message"]


def _place(position: int) -> str:
    return f"line {position}: " if position else ""
