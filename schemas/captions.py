"""Table `captions`: one sentence for the whole image."""

from __future__ import annotations

from typing import Any

from .reading import UnknownFields, number, text, the_object
from .rows import Rows
from .table import STRING, column, confidence, section_table

PATH = "captionResult"
_KNOWN = frozenset({"text", "confidence"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`captionResult` -> one row."""
    caption = the_object(value, PATH)
    unknown.check(caption, _KNOWN, PATH)
    rows.add(1, ordinal=[0], text=[text(caption, "text", PATH)], confidence=[number(caption, "confidence", PATH)])


TABLE = section_table(
    "captions",
    PATH,
    "one caption of the whole image",
    [column("text", STRING, "the caption, in English", path=f"{PATH}.text"), confidence(f"{PATH}.confidence")],
    flatten,
)
