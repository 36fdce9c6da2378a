"""Which images the gallery shows: a random few hundred, and of those the ones that differ most in what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

CANDIDATES = 240
GALLERY = 60
MOST_ITEMS = 60  # rows of one table that are kept of one image
SURE = 0.5

Items = dict[str, list[dict[str, Any]]]  # rows by table


class Candidates:
    """A uniform sample of images: ids are hashes, so the smallest ones are as good as drawn by lot."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {}

    def add(self, images: pa.Table) -> None:
        """Takes a batch of rows of `images`; of an image, the first row counts."""
        smallest = images.take(pc.select_k_unstable(images, CANDIDATES, [("image_id", "ascending")]))
        for row in smallest.to_pylist():
            self._kept.setdefault(row["image_id"], row)
        self._kept = dict(sorted(self._kept.items())[:CANDIDATES])

    def rows(self) -> dict[str, dict[str, Any]]:
        """The sample, by image id."""
        return self._kept


class Collector:
    """Keeps the rows of the candidates while tables stream by."""

    def __init__(self, candidates: Iterable[str]) -> None:
        self._items: dict[str, Items] = {image_id: {} for image_id in candidates}
        self._ids = pa.array(list(self._items), pa.string())

    def add(self, table: str, rows: pa.Table) -> None:
        """Takes a batch of a section table."""
        for row in rows.filter(pc.is_in(rows["image_id"], self._ids)).to_pylist():
            if len(kept := self._items[row["image_id"]].setdefault(table, [])) < MOST_ITEMS:
                kept.append(row)

    def items(self) -> dict[str, Items]:
        """Rows by candidate and table, each table's in the order of the answer."""
        for tables in self._items.values():
            for rows in tables.values():
                rows.sort(key=lambda row: row["ordinal"] or 0)
        return self._items


def most_varied(items: Mapping[str, Items], number: int = GALLERY) -> list[str]:
    """Image ids in the order in which each adds most that was not seen before, at most `number`."""
    left = {name: traits(tables) for name, tables in sorted(items.items())}
    chosen: list[str] = []
    seen: set[str] = set()
    while left and len(chosen) < number:
        best = max(left, key=lambda name: len(left[name] - seen))
        seen |= left.pop(best)
        chosen.append(best)
    return chosen


def traits(tables: Items) -> set[str]:
    """What an image shows: the tables that have something of it, and the names of what was surely found."""
    found: set[str] = set()
    for table, rows in tables.items():
        sure = [row for row in rows if (row.get("confidence") is None or row["confidence"] >= SURE)]
        found |= {f"{table}:{row.get('name', '')}" for row in sure}
    return found
