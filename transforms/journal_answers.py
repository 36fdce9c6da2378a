"""`JournalAnswers`: makes answers durable within two seconds, before anything else is done with them.

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
SEGMENT_ANSWERS = 250  # a few: what is done with them comes in small pieces, between which calls go on
_CONVERTED_AT_ONCE = 50


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
    """Gathers answers; a thread of its own writes them as a segment when they are many or old.

    Args:
      folder: where segments go.
      max_age: seconds that an answer may wait to become durable.
      write: writes a table, whole or not at all.
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
        self._thread = threading.Thread(target=self._write_segments, name="journal", daemon=True)
        self._thread.start()

    def add(self, answer: Analyzed) -> list[pa.Table]:
        """Takes an answer; returns the tables that became durable since the last call.

        It waits where answers come faster than they can be written. Raises what the writing of a segment raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._answers) < 2 * SEGMENT_ANSWERS or self._error)
            self._answers.append(answer)
            if len(self._answers) == 1:
                self._oldest = monotonic()
            if len(self._answers) in (1, SEGMENT_ANSWERS):
                self._changed.notify_all()
            return self._take()

    def close(self) -> list[pa.Table]:
        """Writes what is left and returns it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        return self._take()

    def _write_segments(self) -> None:
        try:
            while answers := self._next_segment():
                table = _as_table(answers)
                self._write(join(self._folder, f"{uuid4().hex}.parquet"), table)
                with self._changed:
                    self._durable.append(table)
        except BaseException as error:  # add and close raise it on the bundle's thread
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next_segment(self) -> list[Analyzed]:
        """Waits for a segment; an empty one is the end."""
        with self._changed:
            while not self._closed and len(self._answers) < SEGMENT_ANSWERS:
                left = self._oldest + self._max_age - monotonic() if self._answers else None
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            answers, self._answers = self._answers[:SEGMENT_ANSWERS], self._answers[SEGMENT_ANSWERS:]
            self._changed.notify_all()
            return answers

    def _take(self) -> list[pa.Table]:
        if self._error is not None:
            raise self._error
        durable, self._durable = self._durable, []
        return durable


def _as_table(answers: list[Analyzed]) -> pa.Table:
    """Converts a few at a time: Arrow keeps the interpreter to itself meanwhile, and calls in flight have to wait."""
    starts = range(0, len(answers), _CONVERTED_AT_ONCE)
    return pa.concat_tables(TABLES["responses"].to_table(answers[at : at + _CONVERTED_AT_ONCE]) for at in starts)


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
