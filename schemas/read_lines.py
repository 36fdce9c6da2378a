"""Table `read_lines`: lines of text with their polygons."""

from __future__ import annotations

from collections.abc import Iterator

from .read import SECTION, ga_blocks, nested_spans, preview_pages
from .reading import Objects, Rows
from .table import INT32, POLYGON, SPANS, STRING, column, section_table


def flatten(sections: Objects) -> Iterator[Rows]:
    """`readResult` -> a row per line; ordinals run over all pages or blocks."""
    yield _preview(preview_pages(sections))
    yield _ga(ga_blocks(sections))


def _preview(pages: Objects) -> Rows:
    lines = pages.children("lines")
    lines.know("content", "boundingBox", "spans")
    return Rows(
        lines,
        page_ordinal=lines.spread(pages.ordinals()),
        text=lines.strings("content"),
        polygon=lines.flat_polygons(),
        spans=nested_spans(lines),
    )


def _ga(blocks: Objects) -> Rows:
    lines = blocks.children("lines")
    lines.know("text", "boundingPolygon", "words")
    return Rows(
        lines,
        page_ordinal=lines.spread(blocks.ordinals()),
        text=lines.strings("text"),
        polygon=lines.point_polygons(),
    )


TABLE = section_table(
    "read_lines",
    SECTION,
    "lines of text",
    [
        column("page_ordinal", INT32, "the line's row in read_pages", references="read_pages.ordinal"),
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
