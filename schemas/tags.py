"""Table `tags`: words for what the image shows."""

from __future__ import annotations

from typing import Any

from .reading import UnknownFields, floats, objects, strings, the_object
from .rows import Rows
from .table import STRING, column, confidence, section_table

SECTION = "tagsResult"
_SECTION_KNOWN = frozenset({"values"})
_KNOWN = frozenset({"name", "confidence"})


def flatten_tags(value: Any, path: str, rows: Rows, unknown: UnknownFields) -> None:
    """`{values: [{name, confidence}]}` -> a row each."""
    section = the_object(value, path)
    unknown.check(section, _SECTION_KNOWN, path)
    items = objects(section, "values", path)
    path = f"{path}.values"
    unknown.check_all(items, _KNOWN, f"{path}[]")
    rows.add(
        len(items),
        ordinal=list(range(len(items))),
        name=strings(items, "name", path),
        confidence=floats(items, "confidence", path),
    )


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`tagsResult` -> a row per tag."""
    flatten_tags(value, SECTION, rows, unknown)


TABLE = section_table(
    "tags",
    SECTION,
    "tags of the whole image, the surest first",
    [
        column("name", STRING, "the tag, in the language of the request", path=f"{SECTION}.values[].name"),
        confidence(f"{SECTION}.values[].confidence"),
    ],
    flatten,
)
