"""`JournalAnswers`: makes answers durable every two seconds, before anything else is done with them.

An answer was paid for; a crash must not lose it. Segments are Parquet files of the `responses` schema, written whole;
what was journalled goes on as the same Arrow table, and the next run takes in the segments of a run that died.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic
from uuid import uuid4

import apache_beam as beam
import pyarrow as pa

from ..schemas import TABLES
from ..schemas.outcomes import Analyzed
from .layout import Layout
from .records import at_end_of_bundle
from .storage import join, write_table

SEGMENT_SECONDS = 2.0
SEGMENT_ANSWERS = 1000


class JournalAnswers(beam.PTransform):
    """PCollection of `Analyzed` -> PCollection of `pa.Table` (schema of `responses`), each durable when it is emitted.

    Args:
      output: the output folder.
      run_id: the run that writes.
    """

    def __init__(self, output: str, run_id: str) -> None:
        super().__init__()
        self._folder = Layout(output).journal(run_id)

    def expand(self, answers: beam.PCollection) -> beam.PCollection:
        return answers | beam.ParDo(_Journal(self._folder))

    def display_data(self) -> dict[str, object]:
        return {"journal": self._folder}


class JournalWriter:
    """Gathers answers and writes a segment when it is full or old; the age is watched by a thread of its own.

    Args:
      folder: where segments go.
      max_age: seconds that an answer may wait to become durable.
    """

    def __init__(
        self,
        folder: str,
        max_age: float = SEGMENT_SECONDS,
        write: Callable[[str, pa.Table], None] = write_table,
    ):
        self._folder, self._max_age, self._write = folder, max_age, write
        self._changed = threading.Condition()
        self._answers: list[Analyzed] = []
        self._oldest = float("inf")
        self._durable: list[pa.Table] = []
        self._error: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="journal", daemon=True)
        self._thread.start()

    def add(self, answer: Analyzed) -> list[pa.Table]:
        """Takes an answer; returns the tables that became durable since the last call."""
        with self._changed:
            self._answers.append(answer)
            if len(self._answers) == 1:
                self._oldest = monotonic()
                self._changed.notify()
            if len(self._answers) >= SEGMENT_ANSWERS:
                self._write_segment()
            return self._take()

    def close(self) -> list[pa.Table]:
        """Writes what is left and returns it."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            self._write_segment()
            return self._take()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                wait = self._oldest + self._max_age - monotonic() if self._answers else None
                if wait is not None and wait <= 0:
                    self._write_or_keep_error()
                else:
                    self._changed.wait(wait)

    def _write_or_keep_error(self) -> None:
        try:
            self._write_segment()
        except Exception as error:
            self._error, self._closed = error, True

    def _write_segment(self) -> None:
        if not self._answers:
            return
        table = TABLES["responses"].to_table(self._answers)
        self._write(join(self._folder, f"{uuid4().hex}.parquet"), table)
        self._answers = []
        self._durable.append(table)

    def _take(self) -> list[pa.Table]:
        if self._error is not None:
            raise self._error
        durable, self._durable = self._durable, []
        return durable


class _Journal(beam.DoFn):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def start_bundle(self) -> None:
        self._writer = JournalWriter(self._folder)

    def process(self, answer: Analyzed) -> Iterator[pa.Table]:
        yield from self._writer.add(answer)

    def finish_bundle(self) -> Iterator[beam.utils.windowed_value.WindowedValue]:
        for table in self._writer.close():
            yield at_end_of_bundle(table)
