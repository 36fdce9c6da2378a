"""Table `custom_tags`: what a custom model classifies the image as, in either published form of the answer."""

from __future__ import annotations

from collections.abc import Iterator

from . import tags
from .custom import LISTS_FORM, SECTION, SECTIONS_FORM, in_lists_form, in_sections_form
from .reading import Objects, Rows
from .table import STRING, column, confidence, section_table


def flatten(results: Objects) -> Iterator[Rows]:
    """`customModelResult.tagsResult.values[]` or `.classifications[]` -> a row each."""
    sections = in_sections_form(results)
    sections.know(*SECTIONS_FORM)
    yield from tags.flatten(sections.child("tagsResult", required=False))
    lists = in_lists_form(results)
    lists.know(*LISTS_FORM)
    classes = lists.children("classifications", required=False)
    classes.know("label", "confidence")
    yield Rows(classes, name=classes.strings("label"), confidence=classes.floats("confidence"))


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
