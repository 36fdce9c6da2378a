"""Table `read_words`: words with their polygons, joined to their lines."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from .read import SECTION, flat_polygons, ga_lines, is_preview, point_polygons, preview_pages, span, spans
from .reading import UnknownFields, floats, objects, strings
from .rows import Rows
from .table import INT32, POLYGON, STRING, column, confidence, section_table

_PREVIEW_KNOWN = frozenset({"content", "boundingBox", "confidence", "span"})
_GA_KNOWN = frozenset({"text", "boundingPolygon", "confidence"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`readResult` -> a row per word; ordinals run over the whole answer."""
    if is_preview(value):
        _flatten_preview(value, rows, unknown)
    else:
        _flatten_ga(value, rows, unknown)


def _flatten_ga(section: dict[str, Any], rows: Rows, unknown: UnknownFields) -> None:
    first = line_ordinal = 0
    for block, path, lines in ga_lines(section):
        for position, line in enumerate(lines):
            where = f"{path}[{position}]"
            words = objects(line, "words", where)
            where = f"{where}.words"
            unknown.check_all(words, _GA_KNOWN, f"{SECTION}.blocks[].lines[].words[]")
            count = len(words)
            rows.add(
                count,
                ordinal=list(range(first, first + count)),
                page_ordinal=[block] * count,
                line_ordinal=[line_ordinal] * count,
                text=strings(words, "text", where),
                confidence=floats(words, "confidence", where),
                polygon=point_polygons(words, where, unknown),
                span_offset=[None] * count,
                span_length=[None] * count,
            )
            first += count
            line_ordinal += 1


def _flatten_preview(section: dict[str, Any], rows: Rows, unknown: UnknownFields) -> None:
    first = first_line = 0
    for page, item in enumerate(preview_pages(section)):
        page_path = f"{SECTION}.pages[{page}]"
        words, path = objects(item, "words", page_path), f"{page_path}.words"
        unknown.check_all(words, _PREVIEW_KNOWN, f"{SECTION}.pages[].words[]")
        placed = [span(word.get("span"), f"{path}[{position}].span", unknown) for position, word in enumerate(words)]
        lines = _LineSpans(item, page_path, first_line, unknown)
        rows.add(
            len(words),
            ordinal=list(range(first, first + len(words))),
            page_ordinal=[page] * len(words),
            line_ordinal=[lines.holding(place["offset"], place["length"]) for place in placed],
            text=strings(words, "content", path),
            confidence=floats(words, "confidence", path),
            polygon=flat_polygons(words, path),
            span_offset=[place["offset"] for place in placed],
            span_length=[place["length"] for place in placed],
        )
        first += len(words)
        first_line += lines.count


class _LineSpans:
    """Finds the line whose span holds a word's span: the last one that starts at or before it."""

    def __init__(self, page: dict[str, Any], path: str, first: int, unknown: UnknownFields) -> None:
        lines = objects(page, "lines", path)
        self.count = len(lines)
        self._spans = sorted(
            (place["offset"], place["offset"] + place["length"], first + position)
            for position, line in enumerate(lines)
            for place in spans(line, f"{path}.lines[{position}]", unknown)
        )
        self._starts = [start for start, _, _ in self._spans]

    def holding(self, offset: int, length: int) -> int | None:
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and offset + length <= self._spans[index][1]:
            return self._spans[index][2]
        return None


TABLE = section_table(
    "read_words",
    SECTION,
    "words of text",
    [
        column("page_ordinal", INT32, "the word's row in read_pages"),
        column(
            "line_ordinal",
            INT32,
            "the word's row in read_lines; null where no line's span holds the word's",
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
