"""Manifests as other commands read them: of any version of this package, and perhaps damaged since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.ledger.layout import Layout
from ..transforms.ledger.records import MANIFEST_VERSION, check_manifest, damaged, read_records
from .terminal import say

Manifest = dict[str, Any]
_MOST_NAMES = 8  # fields that are named to the user

# Every field (docs/manifest.schema.json), and what stands for one that is missing.
FIELDS: Manifest = {
    "status": "committed",
    "manifest_version": 1,
    "run_id": "",
    "started_at": "",
    "committed_at": "",
    "reflattened_from": "",
    "request": {},
    "fingerprint": "",
    "endpoint": "",
    "settings": {},
    "requests_per_second": None,
    "fit": None,
    "max_dead_letters": None,
    "runner": "",
    "schema_version": 1,
    "versions": {},
    "complete": None,
    "exit_status": 0,
    "conservation": dict.fromkeys(
        ("input", "recovered_extra", "analyzed", "dead_letters", "deferred", "skipped", "duplicates"), 0
    ),
    "why": {},
    "skipped": {},
    "dead_letters": {},
    "deferred": {},
    "attempts": {},
    "calls": {
        **dict.fromkeys(
            ("attempts", "retries", "billed_units", "bytes_sent", "throttled_seconds", "breaker_openings", "processes"),
            0,
        ),
        "requests_per_second": None,
    },
    "cost": {
        "amount": 0,
        "currency": "",
        "prices": "",
        "per_thousand": {},
        "reported_units": 0,
        "transactions": {},
        "recovered": {},
        "maybe_billed": {},
        "by_day": [],
    },
    "copies": 0,
    "fitted": {"images": 0, "bytes_saved": 0},
    "limited_by": {},
    "closed": {},
    "latency_seconds": {},
    "timeline": [],
    "lists": [],
    "unknown_fields": {},
    "tables": {},
}


def read_manifests(layout: Layout, run_ids: Iterable[str]) -> dict[str, Manifest]:
    """The manifests of committed runs, with every field of `FIELDS` and no other; the latter are told of in one line.

    Raises:
      ConfigurationError: one is damaged, or gone.
    """
    manifests, unknown = {}, set[str]()
    for run_id, record in read_records(layout, run_ids):
        given = _checked(layout.record(run_id), record)
        manifests[run_id] = _conform(given, run_id)
        unknown.update(_unknown(given))
    if unknown:
        names = sorted(unknown)
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        say(f"manifests of a later version: ignored are {', '.join(names[:_MOST_NAMES])}{more}")
    return manifests


def moment(text: str) -> datetime | None:
    """A time of a manifest; None where it tells none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _checked(path: str, manifest: Manifest | None) -> Manifest:
    manifest = check_manifest(path, manifest)
    if not isinstance(manifest.get("conservation"), dict):
        raise damaged(path, "it has no 'conservation'")
    return manifest


def _conform(given: Manifest, run_id: str) -> Manifest:
    manifest = _known(FIELDS, given)
    manifest["run_id"] = run_id
    if manifest["complete"] is None:
        manifest["complete"] = not manifest["conservation"]["deferred"]
    return manifest


def _known(fields: Manifest, given: Manifest) -> Manifest:
    known = fields | {name: value for name, value in given.items() if name in fields and _is_like(value, fields[name])}
    return known | {name: _known(fields[name], known[name]) for name in _with_names(fields)}


def _unknown(given: Manifest) -> Iterator[str]:
    """Names of fields that are not in `FIELDS`, or of another type there."""
    if (version := given.get("manifest_version", MANIFEST_VERSION)) != MANIFEST_VERSION:
        yield f"manifest_version {version}"
    yield from _unlike(FIELDS, given)


def _unlike(fields: Manifest, given: Manifest) -> Iterator[str]:
    yield from (name for name, value in given.items() if name not in fields or not _is_like(value, fields[name]))
    for name in _with_names(fields):
        if isinstance(given.get(name), dict):
            yield from (f"{name}.{inner}" for inner in _unlike(fields[name], given[name]))


def _with_names(fields: Manifest) -> list[str]:
    """The fields that are objects of fixed names."""
    return [name for name, empty in fields.items() if isinstance(empty, dict) and empty]


def _is_like(value: object, empty: object) -> bool:
    if empty is None:
        return True
    return isinstance(value, (int, float) if isinstance(empty, int) else type(empty))


@contextmanager
def as_it_was_written(output: str) -> Iterator[None]:
    """What a reader stumbles over meanwhile is the fault of files that somebody has changed.

    Raises:
      ConfigurationError: it stumbles over a part that is not there, of another type, or no such value.
    """
    try:
        yield
    except ConfigurationError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {error}"
        rule = f"a manifest or table in it is not as it was written ({what})"
        raise ConfigurationError(f"output {output!r}", rule, "restore it from a copy") from error
