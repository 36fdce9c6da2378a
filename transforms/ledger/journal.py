"""The journal of a run: what was paid for, durable before anything else is done with it, by batch.

A segment is a Parquet file with outcomes of one batch, of the schema of `responses`, `dead_letters` or `deferred`,
written whole by a thread; what its calls came to is in its metadata, so that what a bundle that died had spent is
counted. A row of `deferred` is an image that may have been billed: no later try of the bundle calls it. Where its call
has not been settled yet, that is in segments of the kind `unsettled`: it counts where nothing else is known.
"""

from __future__ import annotations

import json
import posixpath
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from ...schemas import TABLES
from ...schemas.outcomes import Analyzed, DeadLetter, Deferred
from ..files.many import list_folder
from ..files.patience import pauses
from ..files.storage import join, open_bytes, write_table

SEGMENT_SECONDS = 2.0
SEGMENT_OUTCOMES = 250
MOST_HELD = 500
ANSWERS, DEAD_LETTERS, DEFERRED, UNSETTLED = "responses", "dead_letters", "deferred", "unsettled"
_TABLES = {kind: TABLES[kind] for kind in (DEAD_LETTERS, DEFERRED, ANSWERS)} | {UNSETTLED: TABLES[DEFERRED]}
_COUNTS = b"counts"
_CONVERTED_AT_ONCE = 50

Outcome = Analyzed | DeadLetter | Deferred


class Segment(NamedTuple):
    """Outcomes of a batch that are durable: rows of a table, and the counts of its calls; some have counts alone."""

    batch: str
    kind: str
    rows: pa.Table
    counts: dict[str, int]
    name: str = ""

    def failures(self) -> Iterator[DeadLetter | Deferred]:
        """The rows as records; of a segment without answers."""
        return map(DeadLetter._make if self.kind == DEAD_LETTERS else Deferred._make, _values(self.rows))


def dead_letters(rows: pa.Table) -> Iterator[DeadLetter]:
    """Rows of the table `dead_letters` as records."""
    return map(DeadLetter._make, _values(rows))


def _values(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True)


def read_segments(folder: str, batch: str) -> list[Segment]:
    """The segments of a batch that are there, in the order of their names: what is unsettled comes last."""
    names = sorted(file.path for file in list_folder(join(folder, batch)))
    return [read_segment(name, batch) for name in names if name.endswith(".parquet")]


def kind_of(path: str) -> str:
    """What a segment holds, by its name; those of versions without batches hold answers."""
    name = posixpath.basename(path)
    return next((kind for kind in _TABLES if name.startswith(kind)), ANSWERS)


def read_segment(path: str, batch: str = "") -> Segment:
    """A segment as it was written."""
    kind = kind_of(path)
    with open_bytes(path) as source:
        file = pq.ParquetFile(source)
        counts = json.loads((file.schema_arrow.metadata or {}).get(_COUNTS, b"{}"))
        rows = _TABLES[kind].filled(_TABLES[kind].conform(file.read()))
        return Segment(batch, kind, rows, counts, posixpath.basename(path))


class _Held:
    """What is to be a segment of a batch."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome | None] = []
        self.counts: Counter[str] = Counter()
        self.since = monotonic()
        self.is_due = False


class JournalWriter:
    """Gathers outcomes; a thread of its own writes those of a batch when they are many, old or all.

    Args:
      folder: the journal of the run.
      max_age: seconds that an outcome may wait to become durable.
      patience: seconds that the store may be away; meanwhile nobody's outcome is taken, so that calls stop.
      write: writes a table, whole or not at all.
    """

    def __init__(
        self,
        folder: str,
        max_age: float = SEGMENT_SECONDS,
        patience: float = 0.0,
        write: Callable[[str, pa.Table], None] = write_table,
    ):
        self._folder, self._max_age, self._patience, self._write = folder, max_age, patience, write
        self._changed = threading.Condition()
        self._held: dict[tuple[str, str], _Held] = {}
        self._not_taken: Counter[str] = Counter()
        self._number = 0
        self._durable: list[Segment] = []
        self._error: BaseException | None = None
        self._closed = self._is_stuck = False
        self._thread = threading.Thread(target=self._write_segments, name="journal", daemon=True)
        self._thread.start()

    def add(self, batch: str, outcome: Outcome | None, counts: Mapping[str, int], kind: str = "") -> None:
        """Takes an outcome, or none, and counts; `kind`, if it is not that of the outcome's table.

        Waits where they come faster than they can be written. After the end it writes at once.
        """
        key = batch, kind or (outcome.table if outcome else DEFERRED)
        with self._changed:
            self._changed.wait_for(self._takes)
            if self._closed:
                self._write_segment(*key, [outcome], counts)
                return
            if key not in self._held:
                self._held[key] = _Held()
                self._not_taken[batch] += 1
            held = self._held[key]
            held.outcomes.append(outcome)
            held.counts.update(counts)
            held.is_due |= len(held.outcomes) >= SEGMENT_OUTCOMES
            self._number += 1
            if held.is_due or len(held.outcomes) == 1:
                self._changed.notify_all()

    def _takes(self) -> bool:
        is_free = self._number < MOST_HELD and not self._is_stuck
        return is_free or self._error is not None or self._closed

    def finish(self, batch: str) -> None:
        """All of a batch has come: what is held of it is written now."""
        with self._changed:
            for kind in _TABLES:
                if held := self._held.get((batch, kind)):
                    held.is_due = True
            self._changed.notify_all()

    def take(self) -> list[Segment]:
        """What became durable since the last call. Raises what the writing of a segment raised."""
        with self._changed:
            if self._error is not None:
                raise self._error
            durable, self._durable = self._durable, []
            self._not_taken -= Counter(segment.batch for segment in durable)
            return durable

    def holds(self, batch: str) -> bool:
        """Whether there is anything of a batch that was not taken yet."""
        with self._changed:
            return batch in self._not_taken

    def close(self) -> list[Segment]:
        """Writes what is left and returns it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        return self.take()

    def trip(self, *_: str) -> None:
        """The run is to stop: what is held is written at once, and so is what still comes."""
        with self._changed:
            self._max_age = self._patience = 0.0
            self._changed.notify_all()

    def live(self) -> dict[str, float]:
        """Nothing to tell (see `transforms/live_counts.py`)."""
        return {}

    def _write_segments(self) -> None:
        try:
            while due := self._next():
                (batch, kind), held = due
                segment = self._write_segment(batch, kind, held.outcomes, held.counts)
                with self._changed:
                    self._durable.append(segment)
        except BaseException as error:  # take and close raise it on the bundle's thread
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write_segment(
        self, batch: str, kind: str, outcomes: list[Outcome | None], counts: Mapping[str, int]
    ) -> Segment:
        rows = _as_table(kind, [outcome for outcome in outcomes if outcome])
        metadata = {**(rows.schema.metadata or {}), _COUNTS: json.dumps(counts).encode()}
        name = f"{kind}-{uuid4().hex}.parquet"
        self._write_patiently(join(self._folder, batch, name), rows.replace_schema_metadata(metadata))
        return Segment(batch, kind, rows, dict(counts), name)

    def _write_patiently(self, path: str, rows: pa.Table) -> None:
        for pause in pauses(self._patience):
            with suppress(OSError):
                self._write(path, rows)
                break
            with self._changed:
                self._is_stuck = self._patience > 0
                self._changed.wait_for(lambda: not self._patience, pause)
        else:
            self._write(path, rows)
        with self._changed:
            self._is_stuck = False
            self._changed.notify_all()

    def _next(self) -> tuple[tuple[str, str], _Held] | None:
        """Waits for what is due; None is the end."""
        with self._changed:
            while True:
                key = min(self._held, key=lambda key: self._due_at(self._held[key]), default=None)
                left = self._due_at(self._held[key]) - monotonic() if key else None
                if key and (self._closed or (left is not None and left <= 0)):
                    held = self._held.pop(key)
                    self._number -= len(held.outcomes)
                    self._changed.notify_all()
                    return key, held
                if self._closed:
                    return None
                self._changed.wait(left)

    def _due_at(self, held: _Held) -> float:
        return float("-inf") if held.is_due else held.since + self._max_age


def _as_table(kind: str, outcomes: list[Outcome]) -> pa.Table:
    """Converts a few at a time: Arrow keeps the interpreter to itself meanwhile, and calls in flight have to wait."""
    starts = range(0, max(len(outcomes), 1), _CONVERTED_AT_ONCE)
    return pa.concat_tables(_TABLES[kind].to_table(outcomes[at : at + _CONVERTED_AT_ONCE]) for at in starts)
