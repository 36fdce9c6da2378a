"""Table `captions`: one sentence for the whole image."""

from __future__ import annotations

from collections.abc import Iterator

from .reading import Objects, Rows
from .table import STRING, column, confidence, section_table

PATH = "captionResult"


def flatten(captions: Objects) -> Iterator[Rows]:
    """`captionResult` -> one row."""
    captions.know("text", "confidence")
    yield Rows(captions, text=captions.strings("text"), confidence=captions.floats("confidence"))


TABLE = section_table(
    "captions",
    PATH,
    "one caption of the whole image",
    [column("text", STRING, "the caption, in English", path=f"{PATH}.text"), confidence(f"{PATH}.confidence")],
    flatten,
)
