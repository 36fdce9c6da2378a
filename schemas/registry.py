"""All tables, in the order of the documentation. To add a section: a file with its TABLE, and a line here."""

from __future__ import annotations

from . import (
    captions,
    custom_objects,
    custom_tags,
    dead_letters,
    deferred,
    dense_captions,
    images,
    inputs,
    objects,
    people,
    read_lines,
    read_pages,
    read_styles,
    read_words,
    responses,
    smart_crops,
    tags,
)

_MODULES = (
    images,
    captions,
    dense_captions,
    tags,
    objects,
    people,
    smart_crops,
    read_pages,
    read_lines,
    read_words,
    read_styles,
    custom_tags,
    custom_objects,
    responses,
    dead_letters,
    deferred,
    inputs,
)

TABLES = {module.TABLE.name: module.TABLE for module in _MODULES}

PARQUET_WRITE_OPTIONS = {
    "compression": "zstd",
    "use_compliant_nested_type": True,
    "coerce_timestamps": "us",
    "store_schema": True,
}
