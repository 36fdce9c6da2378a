"""Table `smart_crops`: the best crop of the image for each ratio."""

from __future__ import annotations

from collections.abc import Iterator

from .reading import Objects, Rows
from .table import FLOAT64, box, column, section_table

SECTION = "smartCropsResult"
PATH = f"{SECTION}.values[]"


def flatten(section: Objects) -> Iterator[Rows]:
    """`smartCropsResult.values[]` -> a row each."""
    section.know("values")
    crops = section.children("values")
    crops.know("aspectRatio", "boundingBox")
    yield Rows(crops, aspect_ratio=crops.floats("aspectRatio"), **crops.boxes())


TABLE = section_table(
    "smart_crops",
    SECTION,
    "one crop per asked ratio, in the order of the request, or one of the service's choice",
    [
        column("aspect_ratio", FLOAT64, "width / height, as asked", path=f"{PATH}.aspectRatio", unit="ratio"),
        *box(f"{PATH}.boundingBox"),
    ],
    flatten,
)
