"""Table `dense_captions`: a sentence for the whole image and for up to ten of its regions."""

from __future__ import annotations

from typing import Any

from .reading import UnknownFields, boxes, floats, objects, strings, the_object
from .rows import Rows
from .table import STRING, box, column, confidence, section_table

SECTION = "denseCaptionsResult"
PATH = f"{SECTION}.values"
_SECTION_KNOWN = frozenset({"values"})
_KNOWN = frozenset({"text", "confidence", "boundingBox"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`denseCaptionsResult.values[]` -> a row each."""
    section = the_object(value, SECTION)
    unknown.check(section, _SECTION_KNOWN, SECTION)
    items = objects(section, "values", SECTION)
    unknown.check_all(items, _KNOWN, f"{PATH}[]")
    rows.add(
        len(items),
        ordinal=list(range(len(items))),
        text=strings(items, "text", PATH),
        confidence=floats(items, "confidence", PATH),
        **boxes(items, PATH, unknown),
    )


TABLE = section_table(
    "dense_captions",
    SECTION,
    "captions of regions; ordinal 0 is the whole image",
    [
        column("text", STRING, "the caption, in English", path=f"{PATH}[].text"),
        confidence(f"{PATH}[].confidence"),
        *box(f"{PATH}[].boundingBox"),
    ],
    flatten,
)
