"""Which images the gallery shows: a random few hundred, and of those the ones that differ most in what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

CANDIDATES = 240
GALLERY = 60
MOST_ITEMS = 60  # rows of one table that are kept of one image
SURE = 0.5

Key = tuple[str, str, str]  # image id, fingerprint, run id
Items = dict[str, list[dict[str, Any]]]  # rows by table


class Candidates:
    """A uniform sample of images: ids are hashes, so the smallest ones are as good as drawn by lot."""

    def __init__(self) -> None:
        self._kept: pa.Table | None = None

    def add(self, images: pa.Table) -> None:
        """Takes a batch of rows of `images`."""
        together = images if self._kept is None else pa.concat_tables([self._kept, images])
        smallest = pc.select_k_unstable(together, CANDIDATES, [("image_id", "ascending")])
        self._kept = together.take(smallest)

    def rows(self) -> dict[Key, dict[str, Any]]:
        """The sample, by key."""
        return {key(row): row for row in self._kept.to_pylist()} if self._kept is not None else {}


def key(row: Mapping[str, Any]) -> Key:
    """What one answer is known by in all tables."""
    return row["image_id"], row["fingerprint"] or "", row["run_id"] or ""


class Collector:
    """Keeps the rows of the candidates while tables stream by."""

    def __init__(self, candidates: Mapping[Key, Any]) -> None:
        self._items: dict[Key, Items] = {key: {} for key in candidates}
        self._ids = pa.array(sorted({key[0] for key in candidates}), pa.string())

    def add(self, table: str, rows: pa.Table) -> None:
        """Takes a batch of a section table."""
        for row in rows.filter(pc.is_in(rows["image_id"], self._ids)).to_pylist():
            items = self._items.get(key(row))
            if items is not None and len(kept := items.setdefault(table, [])) < MOST_ITEMS:
                kept.append(row)

    def items(self) -> dict[Key, Items]:
        """Rows by candidate and table, each table's in the order of the answer."""
        for tables in self._items.values():
            for rows in tables.values():
                rows.sort(key=lambda row: row["ordinal"] or 0)
        return self._items


def most_varied(items: Mapping[Key, Items], number: int = GALLERY) -> list[Key]:
    """Keys in the order in which each adds most that was not seen before, at most `number`."""
    left = {name: traits(tables) for name, tables in sorted(items.items())}
    chosen: list[Key] = []
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
