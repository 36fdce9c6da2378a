"""Table `people`: persons found in the image, with their boxes; the unsure ones too."""

from __future__ import annotations

from collections.abc import Iterator

from .reading import Objects, Rows
from .table import box, confidence, section_table

SECTION = "peopleResult"
PATH = f"{SECTION}.values[]"


def flatten(section: Objects) -> Iterator[Rows]:
    """`peopleResult.values[]` -> a row each."""
    section.know("values")
    people = section.children("values")
    people.know("confidence", "boundingBox")
    yield Rows(people, confidence=people.floats("confidence"), **people.boxes())


TABLE = section_table(
    "people",
    SECTION,
    "persons found in the image; the service gives many of a confidence near 0.001, so filter",
    [confidence(f"{PATH}.confidence"), *box(f"{PATH}.boundingBox")],
    flatten,
)
