"""Table `read_pages`: the text of the image as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from .read import GA, PREVIEW, SECTION, ga_blocks, in_ga_shape, in_preview_shape, nested_spans, preview_pages
from .reading import Objects, Rows
from .table import FLOAT64, INT32, SPANS, STRING, column, section_table


def flatten(sections: Objects) -> Iterator[Rows]:
    """`readResult` -> a row per page (preview) or block (GA)."""
    yield _preview(in_preview_shape(sections))
    in_ga_shape(sections).know(*GA)
    yield _ga(ga_blocks(sections))


def _preview(sections: Objects) -> Rows:
    sections.know(*PREVIEW)
    content, index_type = sections.strings("content"), sections.strings("stringIndexType")
    version = sections.strings("modelVersion", required=False)
    pages = preview_pages(sections)
    pages.know("height", "width", "angle", "pageNumber", "words", "spans", "lines")
    return Rows(
        pages,
        content=pages.spread(content),
        page_number=pages.ints("pageNumber"),
        width=pages.floats("width"),
        height=pages.floats("height"),
        angle=pages.floats("angle"),
        spans=nested_spans(pages),
        string_index_type=pages.spread(index_type),
        read_model_version=pages.spread(version),
    )


def _ga(blocks: Objects) -> Rows:
    blocks.know("lines")
    lines = blocks.children("lines")
    return Rows(blocks, content=lines.joined(lines.strings("text"), "\n"))


TABLE = section_table(
    "read_pages",
    SECTION,
    "the text of the image: a row per page (preview) or block (GA); no row where GA found no block",
    [
        column(
            "content",
            STRING,
            "the text, lines joined by a line feed",
            path="readResult.content or blocks[].lines[].text",
        ),
        column(
            "page_number",
            INT32,
            "number of the page, from 1; preview only",
            path="readResult.pages[].pageNumber",
            nullable=True,
        ),
        column(
            "width",
            FLOAT64,
            "width of the page; preview only",
            path="readResult.pages[].width",
            unit="pixel",
            nullable=True,
        ),
        column(
            "height",
            FLOAT64,
            "height of the page; preview only",
            path="readResult.pages[].height",
            unit="pixel",
            nullable=True,
        ),
        column(
            "angle",
            FLOAT64,
            "clockwise turn of the text; preview only",
            path="readResult.pages[].angle",
            unit="degree",
            nullable=True,
        ),
        column(
            "spans",
            SPANS,
            "where the page's text stands in the content, in text elements; preview only",
            path="readResult.pages[].spans",
            nullable=True,
        ),
        column(
            "string_index_type",
            STRING,
            "what spans count; preview only",
            path="readResult.stringIndexType",
            nullable=True,
        ),
        column(
            "read_model_version",
            STRING,
            "version of the text model; preview only",
            path="readResult.modelVersion",
            nullable=True,
        ),
    ],
    flatten,
)
