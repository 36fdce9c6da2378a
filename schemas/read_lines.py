"""Table `read_lines`: lines of text with their polygons."""

from __future__ import annotations

from typing import Any

from .read import SECTION, flat_polygons, ga_lines, is_preview, point_polygons, preview_pages, spans
from .reading import UnknownFields, objects, strings
from .rows import Rows
from .table import INT32, POLYGON, SPANS, STRING, column, section_table

_PREVIEW_KNOWN = frozenset({"content", "boundingBox", "spans"})
_GA_KNOWN = frozenset({"text", "boundingPolygon", "words"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`readResult` -> a row per line; ordinals run over all pages or blocks."""
    if is_preview(value):
        _flatten_preview(value, rows, unknown)
    else:
        _flatten_ga(value, rows, unknown)


def _flatten_preview(section: dict[str, Any], rows: Rows, unknown: UnknownFields) -> None:
    first = 0
    for page, item in enumerate(preview_pages(section)):
        lines = objects(item, "lines", f"{SECTION}.pages[{page}]")
        path = f"{SECTION}.pages[{page}].lines"
        unknown.check_all(lines, _PREVIEW_KNOWN, f"{SECTION}.pages[].lines[]")
        rows.add(
            len(lines),
            ordinal=list(range(first, first + len(lines))),
            page_ordinal=[page] * len(lines),
            text=strings(lines, "content", path),
            polygon=flat_polygons(lines, path),
            spans=[spans(line, f"{path}[{position}]", unknown) for position, line in enumerate(lines)],
        )
        first += len(lines)


def _flatten_ga(section: dict[str, Any], rows: Rows, unknown: UnknownFields) -> None:
    first = 0
    for block, path, lines in ga_lines(section):
        unknown.check_all(lines, _GA_KNOWN, f"{SECTION}.blocks[].lines[]")
        rows.add(
            len(lines),
            ordinal=list(range(first, first + len(lines))),
            page_ordinal=[block] * len(lines),
            text=strings(lines, "text", path),
            polygon=point_polygons(lines, path, unknown),
            spans=[None] * len(lines),
        )
        first += len(lines)


TABLE = section_table(
    "read_lines",
    SECTION,
    "lines of text",
    [
        column("page_ordinal", INT32, "the line's row in read_pages"),
        column("text", STRING, "the line", path="readResult.pages[].lines[].content or blocks[].lines[].text"),
        column(
            "polygon",
            POLYGON,
            "x1, y1 … x4, y4, clockwise from the top left of the text",
            path="readResult.pages[].lines[].boundingBox or blocks[].lines[].boundingPolygon",
            unit="pixel",
        ),
        column(
            "spans",
            SPANS,
            "where the line stands in the content, in text elements; preview only",
            path="readResult.pages[].lines[].spans",
            nullable=True,
        ),
    ],
    flatten,
)
