"""Table `custom_objects`: what a custom model found in the image, in either published form of the answer."""

from __future__ import annotations

from typing import Any

from .custom_tags import SECTION
from .objects import add_objects, flatten_objects, object_columns
from .reading import UnknownFields, objects, the_object
from .rows import Rows
from .table import section_table


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`customModelResult.objectsResult` or `.objects` -> a row each."""
    section = the_object(value, SECTION)
    if section.get("objectsResult") is not None:
        flatten_objects(section["objectsResult"], f"{SECTION}.objectsResult", rows, unknown)
    elif section.get("objects") is not None:
        add_objects(objects(section, "objects", SECTION), f"{SECTION}.objects", rows, unknown)


TABLE = section_table(
    "custom_objects",
    SECTION,
    "things that a custom model found",
    object_columns(f"{SECTION}.objectsResult.values[] or objects[]"),
    flatten,
)
