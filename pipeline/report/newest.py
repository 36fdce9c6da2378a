"""Which rows are of the newest answer to each feature that the run asks: an image's answers may be of several calls."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.table import TableSpec
from ...transforms.endpoint.request import AnalyzeRequest

KEY = ("image_id", "fingerprint", "run_id")


class Newest:
    """Takes the rows of `images`, those of the newest run first; then it tells the rows of the section tables.

    Args:
      request: what the run asks; where that is not known (a folder made by `reflatten`), all rows of it count.
      answers: the features of it that a fingerprint answers: bits, in their order (`answered_by`).
      several: whether rows of several runs come, so that an answer may have a newer one.
    """

    def __init__(self, request: AnalyzeRequest | None, answers: Mapping[str, int], several: bool) -> None:
        names = (request.features or ["customModel"]) if request else []
        self._bits = {f"{name}Result": 1 << number for number, name in enumerate(names)}
        self._answers, self._several = answers, several
        self._held: dict[str, int] = {}
        self._partly: dict[tuple[str, ...], int] = {}  # what is left of an answer that has a newer one
        self.images = 0

    def add(self, images: pa.Table) -> pa.Table:
        """The rows of which something is shown."""
        rows, kept = images.filter(self._is_of(images, -1)), []
        for key in _keys(rows) if self._several else ():
            own, held = self._answers[key[1]], self._held.get(key[0], 0)
            if own & held:
                self._partly[key] = own & ~held
            kept.append(bool(own & ~held))
            self.images += not held
            self._held[key[0]] = held | own
        self.images += 0 if self._several else rows.num_rows
        return rows.filter(pa.array(kept)) if kept else rows

    def has(self, table: TableSpec) -> bool:
        """Whether the run asks for what the table holds."""
        return not self._bits or table.section in self._bits

    def rows(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """The rows of a section table that are of newest answers."""
        bit = self._bits.get(table.section, -1)
        rows = rows.filter(self._is_of(rows, bit))
        if not self._partly:
            return rows
        return rows.filter(pa.array([bool(self._partly.get(key, -1) & bit) for key in _keys(rows)], pa.bool_()))

    def _is_of(self, rows: pa.Table, bits: int) -> pa.ChunkedArray:
        if not self._bits:
            return pa.chunked_array([pa.repeat(True, rows.num_rows)])
        answering = [fingerprint for fingerprint, own in self._answers.items() if own & bits]
        return pc.is_in(rows["fingerprint"], pa.array(answering, pa.string()))


def _keys(rows: pa.Table) -> list[tuple[str, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in KEY), strict=True))
