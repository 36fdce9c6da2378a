"""Rows of Parquet files, whichever version of this package wrote them: every reader of the tables reads here."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ...schemas.table import TableSpec
from .storage import open_parquet


def read_rows(path: str, spec: TableSpec, at_once: int, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of one file of a table, at most `at_once` in a table, as `TableSpec.conform` gives them.

    Args:
      path: the file.
      spec: the table that it is of.
      at_once: how many rows are held.
      columns: which columns; all that the table has today where None.

    Raises:
      OSError: it cannot be read, or is no table of this package.
    """
    with open_parquet(path) as file:
        key = spec.columns[0].name  # every version of the table has it
        if key not in file.schema_arrow.names:
            raise KeyError(f"it has no {key}")
        for batch in file.iter_batches(at_once, columns=columns or spec.schema.names):
            yield spec.conform(pa.Table.from_batches([batch]), columns)
