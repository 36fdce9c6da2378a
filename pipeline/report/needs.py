"""What needs a person: open failures by what happened, with what to do, where they are listed, and the command."""

from __future__ import annotations

import shlex
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from ...transforms.endpoint.faults import FAULTS
from ..cost import asked
from ..troubleshooting import PAGE, SINGLE_IMAGES, advice, entry_of_deferred
from .reading import Reading
from .wording import readable

URIS = 2_000  # of all groups together; their text is bounded too
MOST_CHARACTERS = 180_000
MOST_MESSAGES = 3  # of one group
_LONGEST = 2_000

_GROUPS = """
SELECT place, reason, count(*) AS number, any_value(what_to_do) AS what_to_do,
    list(DISTINCT next ORDER BY next) AS next, min(run_id) AS since, bool_or(NOT retryable) AS redriven
FROM open GROUP BY place, reason
ORDER BY place, number DESC, reason
"""
_ROWS = """
SELECT coalesce(given, image_uri), list, position, message, http_status, code, attempts, request_id, image_id
FROM open WHERE place = $place AND reason = $reason
ORDER BY list, position, image_id LIMIT $most
"""
# A file that a pattern found has no line.
_LISTS = "SELECT list, max(position) = 0 FROM inputs SEMI JOIN lists USING (list) GROUP BY list ORDER BY list"


def needs(reading: Reading) -> list[dict[str, Any]]:
    """The groups; dead letters before deferred images, the largest first. `images` are ids."""
    groups = reading.rows(_GROUPS)
    each = max(URIS // len(groups), 20) if groups else 0
    room = MOST_CHARACTERS // len(groups) if groups else 0
    return [_group(reading, group, each, room) for group in groups]


def _group(reading: Reading, group: tuple[Any, ...], most: int, room: int) -> dict[str, Any]:
    place, reason, number, what_to_do, following, since, redriven = group
    rows = reading.rows(_ROWS, place=place, reason=reason, most=most)
    shown: list[tuple[str, str, int | None]] = []
    for uri, of_list, position, *_ in rows:
        text = readable(uri, _LONGEST)
        room -= len(text.encode()) + 20
        if room < 0 and shown:
            break
        shown.append((text, readable(of_list, _LONGEST), position))
    entry = reason if reason in FAULTS else SINGLE_IMAGES if place == "dead_letter" else entry_of_deferred(reason)
    return {
        "place": place,
        "reason": reason,
        "number": number,
        "meaning": FAULTS[reason].cause if reason in FAULTS else "",
        "what_to_do": what_to_do or advice(reason),
        "next": following,
        "since": since,
        "link": f"{_sources()}/blob/main/{PAGE}#{entry}",
        "messages": _messages(rows),
        "uris": shown,
        "images": [row[-1] for row in rows],
        "command": _command(reading, reason if redriven else None),
    }


def _sources() -> str:
    """Where the package says that it is published from."""
    try:
        urls = dict(entry.split(", ", 1) for entry in metadata("image-analysis-beam").get_all("Project-URL", []))
    except PackageNotFoundError:
        urls = {}
    return urls.get("Documentation", "https://github.com/image-analysis-beam/image-analysis-beam").split("#")[0]


def _messages(rows: list[tuple[Any, ...]]) -> list[list[str]]:
    """The first messages that differ in more than the image's name, each with what else is known of its call."""
    found: dict[str, str] = {}
    kinds = set[str]()
    for uri, _, position, message, status, code, attempts, request_id, _ in rows:
        kind = (message or "").replace((uri or "").rsplit("/")[-1], "").replace(f"line {position}:", "")
        if kind in kinds:
            continue
        kinds.add(kind)
        facts = [f"HTTP {status}" if status else "", code, f"{attempts} attempts" if (attempts or 0) > 1 else ""]
        facts.append(f"request {request_id}" if request_id else "")
        if len(found) < MOST_MESSAGES:
            found.setdefault(readable(message, _LONGEST), readable(" · ".join(filter(None, facts)), _LONGEST))
    return [[message, facts] for message, facts in found.items()]


def _command(reading: Reading, redrive: str | None) -> str:
    """The command that calls them again, as far as the manifest knows it."""
    words = ["image-analysis-beam", "run"]
    for name, is_of_files in reading.rows(_LISTS):
        words += ["--images" if is_of_files else "--input", name]
    if request := asked(reading.run):
        what = ["--features", ",".join(request.features)]
        words += ["--model_name", request.model_name] if request.model_name else what
    words += ["--output", reading.folder.layout.output]
    if redrive:
        words += ["--redrive", redrive]
    return shlex.join(words)
