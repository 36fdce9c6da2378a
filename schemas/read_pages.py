"""Table `read_pages`: the text of the image as a whole."""

from __future__ import annotations

from typing import Any

from .read import GA_KNOWN, PREVIEW_KNOWN, SECTION, ga_lines, is_preview, preview_pages, spans
from .reading import UnknownFields, exact_int, number, strings, text
from .rows import Rows
from .table import FLOAT64, INT32, SPANS, STRING, column, section_table

_PAGE_KNOWN = frozenset({"height", "width", "angle", "pageNumber", "words", "spans", "lines"})
_BLOCK_KNOWN = frozenset({"lines"})


def flatten(value: Any, rows: Rows, unknown: UnknownFields) -> None:
    """`readResult` -> a row per page (preview) or block (GA)."""
    if is_preview(value):
        _flatten_preview(value, rows, unknown)
    else:
        _flatten_ga(value, rows, unknown)


def _flatten_preview(section: dict[str, Any], rows: Rows, unknown: UnknownFields) -> None:
    unknown.check(section, PREVIEW_KNOWN, SECTION)
    pages = preview_pages(section)
    unknown.check_all(pages, _PAGE_KNOWN, f"{SECTION}.pages[]")
    paths = [f"{SECTION}.pages[{position}]" for position in range(len(pages))]
    count = len(pages)
    rows.add(
        count,
        ordinal=list(range(count)),
        content=[text(section, "content", SECTION)] * count,
        page_number=[exact_int(page, "pageNumber", path) for page, path in zip(pages, paths, strict=True)],
        width=[number(page, "width", path) for page, path in zip(pages, paths, strict=True)],
        height=[number(page, "height", path) for page, path in zip(pages, paths, strict=True)],
        angle=[number(page, "angle", path) for page, path in zip(pages, paths, strict=True)],
        spans=[spans(page, path, unknown) for page, path in zip(pages, paths, strict=True)],
        string_index_type=[text(section, "stringIndexType", SECTION)] * count,
        read_model_version=[text(section, "modelVersion", SECTION, required=False)] * count,
    )


def _flatten_ga(section: dict[str, Any], rows: Rows, unknown: UnknownFields) -> None:
    unknown.check(section, GA_KNOWN, SECTION)
    blocks = ga_lines(section)
    unknown.check_all(section.get("blocks") or [], _BLOCK_KNOWN, f"{SECTION}.blocks[]")
    rows.add(
        len(blocks),
        ordinal=list(range(len(blocks))),
        content=["\n".join(strings(lines, "text", path)) for _, path, lines in blocks],
    )


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
