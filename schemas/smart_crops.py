"""Table `smart_crops`: the best crop of the image for each ratio."""

from __future__ import annotations

from typing import Any

from .reading import UnknownFields, boxes, floats, objects, the_object
from .rows import Rows
from .table import FLOAT64, box, column, section_table

SECTION = "smartCropsResult"
PATH = f"{SECTION}.values"
_SECTION_KNOWN = frozenset({"values"})
_KNOWN = frozenset({"aspectRatio", "boundingBox"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`smartCropsResult.values[]` -> a row each."""
    section = the_object(value, SECTION)
    unknown.check(section, _SECTION_KNOWN, SECTION)
    items = objects(section, "values", SECTION)
    unknown.check_all(items, _KNOWN, f"{PATH}[]")
    rows.add(
        len(items),
        ordinal=list(range(len(items))),
        aspect_ratio=floats(items, "aspectRatio", PATH),
        **boxes(items, PATH, unknown),
    )


TABLE = section_table(
    "smart_crops",
    SECTION,
    "one crop per asked ratio, in the order of the request, or one of the service's choice",
    [
        column("aspect_ratio", FLOAT64, "width / height, as asked", path=f"{PATH}[].aspectRatio", unit="ratio"),
        *box(f"{PATH}[].boundingBox"),
    ],
    flatten,
)
