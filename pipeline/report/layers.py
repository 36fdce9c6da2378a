"""How the section tables are shown, by their columns: as sentences, as names, or as shapes over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...schemas import TABLES
from ...schemas.table import TableSpec

_HIDDEN = {"read_words"}  # their lines show the same text
BOX = ("x", "y", "w", "h")


def _is_shown(spec: TableSpec) -> bool:
    return spec.kind == "section" and spec.name not in _HIDDEN


def _is_placed(spec: TableSpec) -> bool:
    names = set(spec.schema.names)
    return set(BOX) <= names or "polygon" in names


_SHOWN = [spec for spec in TABLES.values() if _is_shown(spec)]
PLACED = [spec.name for spec in _SHOWN if _is_placed(spec)]
NAMED = [spec.name for spec in _SHOWN if not _is_placed(spec) and "name" in spec.schema.names]
TOLD = [spec.name for spec in _SHOWN if not _is_placed(spec) and "text" in spec.schema.names]
COUNTED = [spec.name for spec in _SHOWN if "name" in spec.schema.names]  # names that are worth counting
SURE = [spec.name for spec in _SHOWN if "confidence" in spec.schema.names and spec.name not in ("read_styles",)]


def label_of(table: str) -> str:
    """The SQL of what is written beside a row; null where it has nothing to say."""
    names = TABLES[table].schema.names
    if "aspect_ratio" in names:
        return "printf('%.4g : 1', aspect_ratio)"
    return next((name for name in ("name", "text") if name in names), "NULL")


def place_of(table: str) -> str:
    """The SQL of a row's place: a list of x, y, w, h, or a polygon's x1, y1, …"""
    return "polygon" if "polygon" in TABLES[table].schema.names else "[x::DOUBLE, y, w, h]"


def confidence_of(table: str) -> str:
    """The SQL of a row's confidence."""
    return "confidence" if "confidence" in TABLES[table].schema.names else "NULL::DOUBLE"


def is_place(numbers: Sequence[Any] | None) -> bool:
    """Whether it can be drawn: a box, or a polygon of three corners at least."""
    if not numbers or any(number is None for number in numbers):
        return False
    return len(numbers) == len(BOX) or (len(numbers) >= 6 and len(numbers) % 2 == 0)
