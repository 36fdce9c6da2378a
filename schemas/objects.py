"""Table `objects`: things found in the image, with their boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .reading import Objects, Rows
from .table import STRING, TAGS, box, column, confidence, section_table

SECTION = "objectsResult"


def flatten(section: Objects) -> Iterator[Rows]:
    """`objectsResult.values[]` -> a row each."""
    section.know("values")
    yield object_rows(section.children("values"))


def object_rows(things: Objects) -> Rows:
    """A row per object `{boundingBox, tags, id}`; its first tag is its name, and all of them stay in `tags`."""
    things.know("boundingBox", "tags", "id")
    found = things.children("tags")
    found.know("name", "confidence")
    names, confidences = found.strings("name"), found.floats("confidence")
    return Rows(
        things,
        name=found.firsts(names),
        confidence=found.firsts(confidences),
        **things.boxes(),
        tags=found.grouped(name=names, confidence=confidences),
        id=things.strings("id", required=False),
    )


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
