"""Table `people`: persons found in the image, with their boxes; the unsure ones too."""

from __future__ import annotations

from typing import Any

from .reading import UnknownFields, boxes, floats, objects, the_object
from .rows import Rows
from .table import box, confidence, section_table

SECTION = "peopleResult"
PATH = f"{SECTION}.values"
_SECTION_KNOWN = frozenset({"values"})
_KNOWN = frozenset({"confidence", "boundingBox"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`peopleResult.values[]` -> a row each."""
    section = the_object(value, SECTION)
    unknown.check(section, _SECTION_KNOWN, SECTION)
    items = objects(section, "values", SECTION)
    unknown.check_all(items, _KNOWN, f"{PATH}[]")
    rows.add(
        len(items),
        ordinal=list(range(len(items))),
        confidence=floats(items, "confidence", PATH),
        **boxes(items, PATH, unknown),
    )


TABLE = section_table(
    "people",
    SECTION,
    "persons found in the image; the service gives many of a confidence near 0.001, so filter",
    [confidence(f"{PATH}[].confidence"), *box(f"{PATH}[].boundingBox")],
    flatten,
)
