"""Table `objects`: things found in the image, with their boxes."""

from __future__ import annotations

from typing import Any

from .reading import UnknownFields, boxes, floats, strings, the_object
from .reading import objects as read_objects
from .rows import Rows
from .table import STRING, TAGS, box, column, confidence, section_table

SECTION = "objectsResult"
_SECTION_KNOWN = frozenset({"values"})
_KNOWN = frozenset({"boundingBox", "tags", "id"})
_TAG_KNOWN = frozenset({"name", "confidence"})


def flatten_objects(value: Any, path: str, rows: Rows, unknown: UnknownFields) -> None:
    """`{values: [{boundingBox, tags, id}]}` -> a row each."""
    section = the_object(value, path)
    unknown.check(section, _SECTION_KNOWN, path)
    add_objects(read_objects(section, "values", path), f"{path}.values", rows, unknown)


def add_objects(items: list[dict[str, Any]], path: str, rows: Rows, unknown: UnknownFields) -> None:
    """Adds a row per object; its first tag is its name, further ones stay in `tags`."""
    unknown.check_all(items, _KNOWN, f"{path}[]")
    tags = [_tags(item, f"{path}[{position}]", unknown) for position, item in enumerate(items)]
    rows.add(
        len(items),
        ordinal=list(range(len(items))),
        name=[found[0]["name"] if found else None for found in tags],
        confidence=[found[0]["confidence"] if found else None for found in tags],
        **boxes(items, path, unknown),
        tags=tags,
        id=strings(items, "id", path, required=False),
    )


def _tags(item: dict[str, Any], path: str, unknown: UnknownFields) -> list[dict[str, Any]]:
    tags = read_objects(item, "tags", path)
    path = f"{path}.tags"
    unknown.check_all(tags, _TAG_KNOWN, "objects[].tags[]")
    pairs = zip(strings(tags, "name", path), floats(tags, "confidence", path), strict=True)
    return [{"name": name, "confidence": sure} for name, sure in pairs]


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`objectsResult` -> a row per object."""
    flatten_objects(value, SECTION, rows, unknown)


def object_columns(path: str) -> list[Any]:
    """The columns of an object found at `path`."""
    return [
        column("name", STRING, "the first tag's name; null without tags", path=f"{path}.tags[0].name", nullable=True),
        confidence(f"{path}.tags[0].confidence", nullable=True),
        *box(f"{path}.boundingBox"),
        column("tags", TAGS, "all tags of the object; one in practice", path=f"{path}.tags"),
        column("id", STRING, "the object's id, if the answer has one", path=f"{path}.id", nullable=True),
    ]


TABLE = section_table("objects", SECTION, "things found in the image", object_columns(f"{SECTION}.values[]"), flatten)
