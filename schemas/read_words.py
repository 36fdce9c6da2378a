"""Table `read_words`: words with their polygons, joined to their lines."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from .read import SECTION, ga_blocks, preview_pages
from .reading import Objects, Rows
from .table import INT32, POLYGON, STRING, column, confidence, section_table


def flatten(sections: Objects) -> Iterator[Rows]:
    """`readResult` -> a row per word; ordinals run over the whole answer."""
    yield _preview(preview_pages(sections))
    yield _ga(ga_blocks(sections))


def _ga(blocks: Objects) -> Rows:
    lines = blocks.children("lines")
    words = lines.children("words")
    words.know("text", "boundingPolygon", "confidence")
    return Rows(
        words,
        page_ordinal=words.spread(lines.spread(blocks.ordinals())),
        line_ordinal=words.spread(lines.ordinals()),
        text=words.strings("text"),
        confidence=words.floats("confidence"),
        polygon=words.point_polygons(),
    )


def _preview(pages: Objects) -> Rows:
    words = pages.children("words")
    words.know("content", "boundingBox", "confidence", "span")
    span = words.child("span")
    span.know("offset", "length")
    offsets, lengths = span.ints("offset"), span.ints("length")
    finders = _line_finders(pages)
    return Rows(
        words,
        page_ordinal=words.spread(pages.ordinals()),
        line_ordinal=[
            finders[page].holding(offset, offset + length)
            for page, offset, length in zip(words.owners, offsets, lengths, strict=True)
        ],
        text=words.strings("content"),
        confidence=words.floats("confidence"),
        polygon=words.flat_polygons(),
        span_offset=offsets,
        span_length=lengths,
    )


def _line_finders(pages: Objects) -> list[_LineFinder]:
    lines = pages.children("lines")
    ordinals = lines.ordinals()
    spans = lines.children("spans")
    placed: list[list[tuple[int, int, int]]] = [[] for _ in range(len(pages))]
    for line, offset, length in zip(spans.owners, spans.ints("offset"), spans.ints("length"), strict=True):
        placed[lines.owners[line]].append((offset, offset + length, ordinals[line]))
    return [_LineFinder(page) for page in placed]


class _LineFinder:
    """Finds the line of a page that holds a word's span; of several, the one whose span starts last."""

    def __init__(self, spans: list[tuple[int, int, int]]) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _, _ in self._spans]
        self._reach = list(accumulate((end for _, end, _ in self._spans), max))

    def holding(self, start: int, end: int) -> int | None:
        index = bisect_right(self._starts, start) - 1
        while index >= 0 and self._reach[index] >= end:
            if self._spans[index][1] >= end:
                return self._spans[index][2]
            index -= 1
        return None


TABLE = section_table(
    "read_words",
    SECTION,
    "words of text",
    [
        column("page_ordinal", INT32, "the word's row in read_pages", references="read_pages.ordinal"),
        column(
            "line_ordinal",
            INT32,
            "the word's row in read_lines; null where no line's span holds the word's",
            references="read_lines.ordinal",
            nullable=True,
        ),
        column("text", STRING, "the word", path="readResult.pages[].words[].content or blocks[].lines[].words[].text"),
        confidence("readResult.pages[].words[].confidence or blocks[].lines[].words[].confidence"),
        column(
            "polygon",
            POLYGON,
            "x1, y1 … x4, y4, clockwise from the top left of the text",
            path="readResult.pages[].words[].boundingBox or blocks[].lines[].words[].boundingPolygon",
            unit="pixel",
        ),
        column(
            "span_offset",
            INT32,
            "start of the word in the content; preview only",
            path="readResult.pages[].words[].span.offset",
            unit="text element",
            nullable=True,
        ),
        column(
            "span_length",
            INT32,
            "length of the word in the content; preview only",
            path="readResult.pages[].words[].span.length",
            unit="text element",
            nullable=True,
        ),
    ],
    flatten,
)
