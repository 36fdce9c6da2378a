"""Where the URI stands in a list with columns, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ..endpoint.errors import ConfigurationError
from .references import shown

DEFAULT_COLUMN = "uri"
IMAGE_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif"),
    *(".bmp", ".dib", ".webp", ".ico", ".tif", ".tiff"),
    *(".heic", ".heif", ".hif", ".avif"),  # which `--fit` sends
)
_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}
_SHOWN_COLUMNS = 20


def column_index(name: str, columns: Sequence[str], column: str) -> int:
    """The place of the column among the columns of a list.

    Raises:
      ConfigurationError: there is none of that name, or more than one.
    """
    if columns.count(column) == 1:
        return columns.index(column)
    if column in columns:
        raise ConfigurationError(f"uri_column {column!r}", f"{name} has more than one of it", "rename the others")
    names = ", ".join(map(shown, columns[:_SHOWN_COLUMNS])) + (", …" if len(columns) > _SHOWN_COLUMNS else "")
    raise ConfigurationError(f"uri_column {column!r}", f"{name} has the columns {names}", _hint(columns, column))


def check_type(name: str, field: pa.Field) -> None:
    """Refuses a Parquet column that cannot hold a URI.

    Raises:
      ConfigurationError: its type is neither text nor bytes.
    """
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    bytes_ = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    if not any(is_kind(kind) for is_kind in (*texts, *bytes_)):
        raise ConfigurationError(
            f"uri_column {field.name!r}",
            f"in {name} it is of type {field.type}, and a URI is a text",
            "set --uri_column to the column of the URIs, or cast it to string",
        )


def is_named_like_an_image(path: str) -> bool:
    """Whether it ends as files of the supported formats do."""
    return path.lower().endswith(IMAGE_ENDINGS)


def _hint(columns: Sequence[str], column: str) -> str:
    first = columns[0] if columns else ""
    for separator, called in _SEPARATORS.items():
        if len(columns) == 1 and separator in first:
            return f"it looks separated by {called}: separate it by commas"
    if any(map(_looks_like_a_uri, columns)):
        return f"the first line looks like a URI: is the header missing? Add a line above it that names {column}"
    return "set --uri_column to one of them"


def _looks_like_a_uri(text: str) -> bool:
    return "://" in text or text.startswith("/") or is_named_like_an_image(text)
