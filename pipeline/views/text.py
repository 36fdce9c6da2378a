"""Rows as text: columns in line, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ..terminal import printable

Rows = Sequence[Sequence[Any]]


def table_text(names: Sequence[str], batches: Iterable[Rows], widest: int | None = None) -> Iterator[str]:
    """A text for each batch, the names above the first; columns are as wide as in the first one."""
    widths = [len(name) for name in names]
    lines = [list(names)]
    for rows in batches:
        cells = [[_cell(value, widest) for value in row] for row in rows]
        if lines:
            cells, lines = [*lines, *cells], []
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        yield "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
    if lines and names:
        yield "  ".join(names)


def json_text(names: Sequence[str], rows: Rows) -> str:
    """A JSON list of objects."""
    return json.dumps(as_dicts(names, rows), indent=2, ensure_ascii=False)


def as_dicts(names: Sequence[str], rows: Rows) -> list[dict[str, Any]]:
    """Rows as JSON can hold them."""
    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]


def plain(value: Any) -> Any:
    """A value as JSON has it: times in ISO form, amounts as numbers."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def _cell(value: Any, widest: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M:%S}"
    elif isinstance(value, list):
        text = ", ".join(_cell(item, None) for item in value)
    elif isinstance(value, Decimal):
        text = f"{value.normalize():f}"
    elif isinstance(value, float) and widest is not None:
        text = f"{value:.6g}"
    else:
        text = str(value)
    line = printable(" ".join(text.split()))
    if widest is None or len(line) <= widest:
        return line
    if "/" in line and " " not in line:  # of a URI, the end tells more
        return f"{line[: widest // 2 - 1]}…{line[-(widest - widest // 2) :]}"
    return f"{line[: widest - 1]}…"
