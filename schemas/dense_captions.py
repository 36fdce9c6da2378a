"""Table `dense_captions`: a sentence for the whole image and for up to ten of its regions."""

from __future__ import annotations

from collections.abc import Iterator

from .reading import Objects, Rows
from .table import STRING, box, column, confidence, section_table

SECTION = "denseCaptionsResult"
PATH = f"{SECTION}.values[]"


def flatten(section: Objects) -> Iterator[Rows]:
    """`denseCaptionsResult.values[]` -> a row each."""
    section.know("values")
    captions = section.children("values")
    captions.know("text", "confidence", "boundingBox")
    yield Rows(
        captions,
        text=captions.strings("text"),
        confidence=captions.floats("confidence"),
        **captions.boxes(),
    )


TABLE = section_table(
    "dense_captions",
    SECTION,
    "captions of regions; ordinal 0 is the whole image",
    [
        column("text", STRING, "the caption, in English", path=f"{PATH}.text"),
        confidence(f"{PATH}.confidence"),
        *box(f"{PATH}.boundingBox"),
    ],
    flatten,
)
