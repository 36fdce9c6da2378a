"""The two shapes of `readResult`, told apart by what they hold: `pages` (preview) or `blocks` (GA).

Shared by the tables `read_pages`, `read_lines`, `read_words` and `read_styles`.
"""

from __future__ import annotations

from typing import Any

from .reading import Column, Objects, members

SECTION = "readResult"
PREVIEW = ("stringIndexType", "content", "pages", "styles", "modelVersion")
GA = ("blocks",)


def in_preview_shape(sections: Objects) -> Objects:
    """The sections with the preview's shape."""
    return sections.where(_is_preview)


def in_ga_shape(sections: Objects) -> Objects:
    """The sections with the GA shape, which may lack everything where there is no text."""
    return sections.where(lambda section: not _is_preview(section))


def _is_preview(section: dict[str, Any]) -> bool:
    held = members(section)
    return "pages" in held or ("blocks" not in held and not held.isdisjoint(PREVIEW))


def preview_pages(sections: Objects) -> Objects:
    """The pages of the preview's shape. A section without would lose its content, whose rows they are."""
    preview = in_preview_shape(sections)
    preview.demand_list("pages")
    return preview.children("pages")


def ga_blocks(sections: Objects) -> Objects:
    """The blocks of the GA shape."""
    return in_ga_shape(sections).children("blocks", required=False)


def nested_spans(holders: Objects) -> Column:
    """A column of lists of spans `(offset, length)`."""
    spans = holders.children("spans")
    spans.know("offset", "length")
    return spans.grouped(offset=spans.ints("offset"), length=spans.ints("length"))
