"""Table `tags`: words for what the image shows."""

from __future__ import annotations

from collections.abc import Iterator

from .reading import Objects, Rows
from .table import STRING, column, confidence, section_table

SECTION = "tagsResult"


def flatten(section: Objects) -> Iterator[Rows]:
    """`tagsResult.values[]` -> a row each."""
    section.know("values")
    tags = section.children("values")
    tags.know("name", "confidence")
    yield Rows(tags, name=tags.strings("name"), confidence=tags.floats("confidence"))


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
