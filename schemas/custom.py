"""The two published forms of `customModelResult`: sections of its own (Swagger), or bare lists (a how-to page).

Shared by the tables `custom_tags` and `custom_objects`.
"""

from __future__ import annotations

from typing import Any

from .reading import Objects, members

SECTION = "customModelResult"
SECTIONS_FORM = ("tagsResult", "objectsResult")
LISTS_FORM = ("classifications", "objects", "imageMetadata")


def in_sections_form(results: Objects) -> Objects:
    """The results with `tagsResult` and `objectsResult`; an empty result counts as one of them."""
    return results.where(lambda result: not _has_lists(result))


def in_lists_form(results: Objects) -> Objects:
    """The results with `classifications` and `objects`."""
    return results.where(_has_lists)


def _has_lists(result: dict[str, Any]) -> bool:
    held = members(result)
    return held.isdisjoint(SECTIONS_FORM) and not held.isdisjoint(LISTS_FORM)
