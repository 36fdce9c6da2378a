"""Table `read_styles`: which parts of the text are handwritten. Preview only; the GA answer does not tell."""

from __future__ import annotations

from typing import Any

from .read import SECTION, is_preview, spans
from .reading import Malformed, UnknownFields, floats, objects, shown
from .rows import Rows
from .table import BOOL, SPANS, column, confidence, section_table

PATH = f"{SECTION}.styles"
_KNOWN = frozenset({"isHandwritten", "spans", "confidence"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`readResult.styles[]` -> a row each."""
    if not is_preview(value):
        return
    styles = objects(value, "styles", SECTION, required=False)
    unknown.check_all(styles, _KNOWN, f"{PATH}[]")
    rows.add(
        len(styles),
        ordinal=list(range(len(styles))),
        is_handwritten=[_flag(style, position) for position, style in enumerate(styles)],
        confidence=floats(styles, "confidence", PATH),
        spans=[spans(style, f"{PATH}[{position}]", unknown) for position, style in enumerate(styles)],
    )


def _flag(style: dict[str, Any], position: int) -> bool:
    value = style.get("isHandwritten")
    if type(value) is not bool:
        raise Malformed(f"{PATH}[{position}].isHandwritten", f"expected true or false, got {shown(value)}")
    return value


TABLE = section_table(
    "read_styles",
    SECTION,
    "styles of parts of the text; preview only",
    [
        column("is_handwritten", BOOL, "whether the text is handwritten", path=f"{PATH}[].isHandwritten"),
        confidence(f"{PATH}[].confidence"),
        column("spans", SPANS, "the parts of the content, in text elements", path=f"{PATH}[].spans"),
    ],
    flatten,
)
