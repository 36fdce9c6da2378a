"""Table `custom_objects`: what a custom model found in the image, in either published form of the answer."""

from __future__ import annotations

from collections.abc import Iterator

from . import objects
from .custom import SECTION, in_lists_form, in_sections_form
from .reading import Objects, Rows
from .table import section_table


def flatten(results: Objects) -> Iterator[Rows]:
    """`customModelResult.objectsResult.values[]` or `.objects[]` -> a row each."""
    yield from objects.flatten(in_sections_form(results).child("objectsResult", required=False))
    yield objects.object_rows(in_lists_form(results).children("objects", required=False))


TABLE = section_table(
    "custom_objects",
    SECTION,
    "things that a custom model found",
    objects.object_columns(f"{SECTION}.objectsResult.values[] or objects[]"),
    flatten,
)
