"""The rows of a CSV file, each with the line that it begins in, whatever the quotes in it do."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator

from .references import NoUri

MAX_ROW_LINES = 1000
_OPEN_QUOTE = "a quote is not closed"


class CsvRows:
    """Lines in, `(line that the row begins in, its cells)` out; empty lines are no rows.

    What is no row comes as `NoUri`. A row over several lines may have been begun by a stray quote, which then swallows
    the rows after it; so a row that is refused is its first line only, and the lines after it are read once more.

    Args:
      lines: numbered lines, each with its end.
    """

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._again: deque[tuple[int, str]] = deque()
        self._row: list[tuple[int, str]] = []  # the lines of the row that is being read
        self._is_open = False
        self._reader = csv.reader(_Feed(self._next_line))

    def __iter__(self) -> Iterator[tuple[int, list[str] | NoUri]]:
        return self

    def __next__(self) -> tuple[int, list[str] | NoUri]:
        while True:
            self._row, self._is_open = [], False
            try:
                cells = next(self._reader)
            except csv.Error as error:
                return self._row[0][0], self.refuse(str(error).partition(" - ")[0])
            if self._is_open:
                return self._row[0][0], self.refuse(_OPEN_QUOTE)
            if cells:
                return self._row[0][0], cells

    @property
    def runs_over_lines(self) -> bool:
        """Whether the latest row has more than one line."""
        return len(self._row) > 1

    def refuse(self, why: str = _OPEN_QUOTE) -> NoUri:
        """Takes the first line of the latest row for a bad one, and goes on at the second."""
        self._again.extendleft(reversed(self._row[1:]))
        return NoUri(f"the row is not CSV: {why}", self._row[0][1].strip())

    def _next_line(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None or len(self._row) == MAX_ROW_LINES:
            self._is_open = bool(self._row)
            if line is not None:
                self._again.appendleft(line)
            raise StopIteration
        self._row.append(line)
        return line[1]


class _Feed:
    """An iterator of what a function returns. It may go on after it has ended: `csv.reader` asks again."""

    def __init__(self, next_line: Callable[[], str]) -> None:
        self._next_line = next_line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._next_line()
