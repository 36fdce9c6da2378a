"""The boxes and polygons that are drawn over an image: a layer for each section table that has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...schemas import TABLES
from ...schemas.table import TableSpec
from .wording import confidence, readable, spelled

_HIDDEN = {"read_words"}  # their lines show the same text
_AT_FIRST = {"objects", "custom_objects", "people", "read_lines"}
_TITLES = {"read_lines": "text lines"}
LONGEST_MARK = 40


class Layer(NamedTuple):
    """A kind of shape: its table, its title, its number (for its colour), and whether it is shown at first."""

    table: str
    title: str
    number: int
    shown: bool

    @property
    def marks_below(self) -> bool:
        """Whether its marks stand at the bottom of the boxes, where those of other layers are not."""
        return self.table == "smart_crops"


class Shape(NamedTuple):
    """One box or polygon in the answer's pixels. `mark` is what is written on the image, if anything, at its left."""

    points: str
    left: float
    top: float
    bottom: float
    label: str
    mark: str
    confidence: float | None


def is_drawn(spec: TableSpec) -> bool:
    """Whether the table's rows have a place in the image that the report draws."""
    names = set(spec.schema.names)
    return spec.kind == "section" and spec.name not in _HIDDEN and ({"x", "y", "w", "h"} <= names or "polygon" in names)


LAYERS = tuple(
    Layer(spec.name, _TITLES.get(spec.name, spelled(spec.name)), number, spec.name in _AT_FIRST)
    for number, spec in enumerate(filter(is_drawn, TABLES.values()))
)


def shape(layer: Layer, row: dict[str, Any]) -> Shape | None:
    """A row as a shape; None where its polygon is no polygon, or the row has no place."""
    place = [row["polygon"]] if "polygon" in row else [row[side] for side in ("x", "y", "w", "h")]
    if None in place:
        return None
    corners = place[0] if "polygon" in row else box_corners(*place)
    if len(corners) < 6:
        return None
    label = readable(_label(layer, row))
    mark = "" if "text" in row else label[:LONGEST_MARK]
    xs, ys = corners[::2], corners[1::2]
    return Shape(_points(corners), min(xs), min(ys), max(ys), label, mark, row.get("confidence"))


def box_corners(x: float, y: float, w: float, h: float) -> list[float]:
    """A box as a polygon: x1, y1 … x4, y4, clockwise from the top left."""
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def _points(corners: Sequence[float]) -> str:
    pairs = zip(corners[::2], corners[1::2], strict=True)
    return " ".join(f"{x:g},{y:g}" for x, y in pairs)


def _label(layer: Layer, row: dict[str, Any]) -> str:
    if row.get("aspect_ratio") is not None:
        return f"{row['aspect_ratio']:g} : 1"
    if layer.table == "people":
        return f"person {confidence(row['confidence'])}"
    return str(row.get("name") or row.get("text") or "")
