"""Table `custom_tags`: what a custom model classifies the image as, in either published form of the answer."""

from __future__ import annotations

from typing import Any

from .reading import UnknownFields, floats, objects, strings, the_object
from .rows import Rows
from .table import STRING, column, confidence, section_table
from .tags import flatten_tags

SECTION = "customModelResult"
KNOWN = frozenset({"tagsResult", "objectsResult", "classifications", "objects", "imageMetadata"})
_CLASSIFICATION_KNOWN = frozenset({"label", "confidence"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`customModelResult.tagsResult` or `.classifications` -> a row each."""
    section = the_object(value, SECTION)
    unknown.check(section, KNOWN, SECTION)
    if section.get("tagsResult") is not None:
        flatten_tags(section["tagsResult"], f"{SECTION}.tagsResult", rows, unknown)
    elif section.get("classifications") is not None:
        _flatten_classifications(section, rows, unknown)


def _flatten_classifications(section: dict[str, Any], rows: Rows, unknown: UnknownFields) -> None:
    items, path = objects(section, "classifications", SECTION), f"{SECTION}.classifications"
    unknown.check_all(items, _CLASSIFICATION_KNOWN, f"{path}[]")
    rows.add(
        len(items),
        ordinal=list(range(len(items))),
        name=strings(items, "label", path),
        confidence=floats(items, "confidence", path),
    )


TABLE = section_table(
    "custom_tags",
    SECTION,
    "classes of a custom model",
    [
        column("name", STRING, "the class", path=f"{SECTION}.tagsResult.values[].name or classifications[].label"),
        confidence(f"{SECTION}.tagsResult.values[].confidence or classifications[].confidence"),
    ],
    flatten,
)
