"""Table `read_styles`: which parts of the text are handwritten. Preview only; the GA answer does not tell."""

from __future__ import annotations

from collections.abc import Iterator

from .read import SECTION, in_preview_shape, nested_spans
from .reading import Objects, Rows
from .table import BOOL, SPANS, column, confidence, section_table

PATH = f"{SECTION}.styles[]"


def flatten(sections: Objects) -> Iterator[Rows]:
    """`readResult.styles[]` -> a row each."""
    styles = in_preview_shape(sections).children("styles", required=False)
    styles.know("isHandwritten", "confidence", "spans")
    yield Rows(
        styles,
        is_handwritten=styles.flags("isHandwritten"),
        confidence=styles.floats("confidence"),
        spans=nested_spans(styles),
    )


TABLE = section_table(
    "read_styles",
    SECTION,
    "styles of parts of the text; preview only",
    [
        column("is_handwritten", BOOL, "whether the text is handwritten", path=f"{PATH}.isHandwritten"),
        confidence(f"{PATH}.confidence"),
        column("spans", SPANS, "the parts of the content, in text elements", path=f"{PATH}.spans"),
    ],
    flatten,
)
