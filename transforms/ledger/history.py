"""What earlier runs left behind: answers, journalled answers, dead letters and deferred images, by image.

Read inside the pipeline, column by column, and sent on as blocks of one shard of image ids each, so that millions of
answered images cost thousands of elements.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas import TABLES
from ...schemas.table import TableSpec
from ..endpoint.errors import ConfigurationError, check_type
from ..endpoint.fingerprint import answered_by
from ..endpoint.request import AnalyzeRequest
from ..files.rows import read_rows
from .journal import ANSWERS, DEAD_LETTERS, kind_of
from .layout import Layout, run_of
from .log import committed_files, earlier_requests, entries, history_of

ANSWERED, ANSWERED_OF = "answered", "answered_of"
SHARD_DIGITS = 2  # 256 shards: an image id's first hex digits
MOST_SHARD_DIGITS = 4
_BATCH_ROWS = 65_536
_ANSWERS = 1000


def check_shard_digits(digits: int) -> int:
    """Refuses what is no number of digits that shards can be made by.

    Raises:
      ConfigurationError: it is none.
    """
    check_type("shard_digits", digits, int, f"the default is {SHARD_DIGITS}")
    if not 1 <= digits <= MOST_SHARD_DIGITS:
        raise ConfigurationError(
            f"shard_digits {digits}", f"it is from 1 to {MOST_SHARD_DIGITS}", f"the default is {SHARD_DIGITS}"
        )
    return digits


def shard_of(image_id: str, digits: int) -> str:
    """The shard that an image is planned in."""
    return image_id[:digits]


def held_before_parting(rows: int, digits: int) -> int:
    """How many rows are gathered before they go to their shards: more of them for many shards, or blocks get tiny."""
    return rows if digits <= SHARD_DIGITS else 4 * rows


class HistoryFile(NamedTuple):
    """A file to scan: `kind` is `answered`, `dead`, `deferred`, or of a journal `journalled` or `journalled_dead`.

    Rows of the kind `answered_of` say of which content, too: its etag, size and SHA-256.
    `answers`: what is answered by a row, by its fingerprint (`answered_by`); of deferred images, no other rows count.
    `fit`: an answer to an image that was fitted to fewer pixels answers nothing.
    `number`: how many committed runs there were before; of a journal, before its run began.
    `may_be_gone`: a journal segment that is gone is in the tables: the run before removes its own after its commit.
    """

    kind: str
    path: str
    answers: dict[str, int]
    fit: int | None = None
    number: int = 0
    may_be_gone: bool = False


class KnownDead(NamedTuple):
    """What is known of a dead letter; `attempts` is 0 where no call was made."""

    retryable: bool
    redrive_count: int
    first_attempt_us: int | None
    last_attempt_us: int
    fault_class: str
    attempts: int = 1
    fit: int | None = None

    def is_weaker_than(self, fit: int | None) -> bool:
        """Whether the image could not be sent, but may be now that images are fitted, or fitted to fewer pixels."""
        if self.fault_class != "invalid_image" or fit is None:
            return False
        return self.fit is None or self.fit > fit


class Block(NamedTuple):
    """Rows of one shard: their `kind`, a tuple of each that begins with image id and fingerprint, what these answer.

    `number`: of their file.
    Rows of the kind `journalled_small` are answers to too few pixels, which the run after asks again.
    """

    kind: str
    rows: list[tuple[Any, ...]]
    answers: dict[str, int]
    number: int = 0


class ReadHistory(beam.PTransform):
    """PBegin -> PCollection of `(shard, Block)`: all that is known of the images, whatever was asked of them.

    Args:
      output: the output folder of the earlier runs.
      run_id: the run that reads; the log says what it reads.
      request: what is asked; the blocks say what of it is answered.
      answered: the kind of the rows of answers.
      shard_digits: how many digits of an image's id are its shard.
      fit: what images are fitted to; an answer to one that was fitted to fewer pixels is none.
    """

    def __init__(
        self,
        output: str,
        run_id: str,
        request: AnalyzeRequest,
        answered: str = ANSWERED,
        shard_digits: int = SHARD_DIGITS,
        fit: int | None = None,
    ) -> None:
        super().__init__()
        self._asked = Layout(output), run_id, request, answered, fit
        self._shard_digits = shard_digits

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return (
            begin
            | beam.Create([self._asked], reshuffle=False)
            | "ListHistory" >> beam.FlatMapTuple(history_files)
            | "SpreadHistory" >> beam.Reshuffle()
            | "ScanHistory" >> beam.FlatMap(scan, self._shard_digits)
        )


def history_files(
    layout: Layout, run_id: str, request: AnalyzeRequest, answered: str = ANSWERED, fit: int | None = None
) -> Iterator[HistoryFile]:
    """The files that tell of earlier runs: the tables of committed ones, the journals that the run takes in."""
    return files_of(layout, run_id, request, _KINDS | {"images": answered}, fit)


def files_of(
    layout: Layout, run_id: str, request: AnalyzeRequest, kinds: Mapping[str, str], fit: int | None = None
) -> Iterator[HistoryFile]:
    """Files of committed tables, of a kind for each table that is named, and the journals that the run takes in."""
    committed, reads = history_of(layout, run_id)
    log = entries(layout)
    answers = answered_by(request, earlier_requests(layout, log, committed))
    for table, path, number in committed_files(layout, committed, *kinds):
        yield HistoryFile(kinds[table], path, answers, fit, number)
    known = {entry.run_id: len(entry.committed) for entry in log}
    for name in reads:
        if kind := _JOURNALLED.get(kind_of(name)):
            yield HistoryFile(kind, layout.path(name), answers, fit, known.get(run_of(name), 0), may_be_gone=True)


def scan(file: HistoryFile, shard_digits: int = SHARD_DIGITS) -> Iterator[tuple[str, Block]]:
    """One file's rows as blocks by shard."""
    spec, columns = _COLUMNS[file.kind]
    at_once, first = held_before_parting(_BATCH_ROWS, shard_digits), 0
    with suppress(*([FileNotFoundError] if file.may_be_gone else [])):
        for rows in read_rows(file.path, spec, at_once, ["image_id", "fingerprint", *columns]):
            table = spec.filled(rows)
            if file.kind == "deferred":
                table = table.filter(pc.is_in(table["fingerprint"], pa.array(list(file.answers), pa.string())))
            large, small = _by_fit(file, _rows(file, table, first), table)
            yield from _by_shard(file, large, shard_digits)
            if small:
                is_journalled = file.kind == "journalled"
                weak = file._replace(kind="journalled_small") if is_journalled else file._replace(answers={})
                yield from _by_shard(weak, small, shard_digits)
            first += table.num_rows


def read_journalled(path: str, rows: Iterable[list[int]]) -> Iterator[pa.Table]:
    """The given rows of a journal segment, or of the table `responses`, a thousand at a time, to be written again."""
    wanted, spec = sorted(row for block in rows for row in block), TABLES[kind_of(path)]
    first = 0
    for table in read_rows(path, spec, _ANSWERS):
        end = first + table.num_rows
        here = [row - first for row in wanted[bisect_left(wanted, first) : bisect_left(wanted, end)]]
        if here:
            yield spec.filled(table.take(here))
        first = end


# Not `responses`: an answer that no table can hold is there too, and is a dead letter.
_CONTENT = ("content_etag", "content_bytes", "content_sha256")
_SIDES = ("sent_width", "sent_height", "original_width", "original_height")
_JOURNALLED = {ANSWERS: "journalled", DEAD_LETTERS: "journalled_dead"}
_KINDS = {"images": ANSWERED, "dead_letters": "dead", "deferred": "deferred"}
_COLUMNS: dict[str, tuple[TableSpec, list[str]]] = {
    ANSWERED: (TABLES["images"], ["fit"]),
    ANSWERED_OF: (TABLES["images"], ["fit", *_CONTENT]),
    "deferred": (TABLES["deferred"], ["reason"]),
    "journalled": (TABLES["responses"], ["analyzed_at", "fit", *_SIDES]),
    "journalled_dead": (TABLES["dead_letters"], ["redrive_count", "class"]),
    "dead": (
        TABLES["dead_letters"],
        ["retryable", "redrive_count", "first_attempt_at", "last_attempt_at", "class", "attempts", "fit"],
    ),
}


def _rows(file: HistoryFile, table: pa.Table, first: int) -> list[tuple[Any, ...]]:
    """Tuples of image id, fingerprint, and what the kind adds to them."""
    columns = [table["image_id"].to_pylist(), table["fingerprint"].to_pylist()]
    if file.kind == "deferred":
        columns.append(table["reason"].to_pylist())
    elif file.kind == "dead":
        columns.append(_known_dead(table))
    elif file.kind == ANSWERED_OF:
        columns += [table[name].to_pylist() for name in _CONTENT]
    elif file.kind.startswith("journalled"):
        columns.append(table[_COLUMNS[file.kind][1][0]].cast(pa.int64()).to_pylist())
        columns += [[file.path] * table.num_rows, list(range(first, first + table.num_rows))]
    if file.kind == "journalled_dead":
        columns.append(table["class"].to_pylist())
    elif file.kind == "journalled":
        columns += [[""] * table.num_rows, _are_of_other_pixels(file, table)]
    return list(zip(*columns, strict=True))


def _are_of_other_pixels(file: HistoryFile, table: pa.Table) -> list[bool]:
    """Whether the images were sent with other sides than they would be now; by URL, or as they are, they were not."""
    sent, own = (pc.max_element_wise(table[f"{of}_width"], table[f"{of}_height"]) for of in ("sent", "original"))
    own = pc.coalesce(own, sent)
    now = own if file.fit is None else pc.min_element_wise(own, file.fit)
    others: list[bool] = pc.fill_null(pc.not_equal(sent, now), False).to_pylist()
    return others


def _by_fit(file: HistoryFile, rows: list[tuple[Any, ...]], table: pa.Table) -> tuple[list[Any], list[Any]]:
    """The rows that count, and answers to images that were fitted to too few pixels."""
    if file.fit is None or file.kind not in (ANSWERED, ANSWERED_OF, "journalled"):
        return rows, []
    large: list[Any] = []
    small: list[Any] = []
    for row, fit in zip(rows, table["fit"].to_pylist(), strict=True):
        (large if fit is None or fit >= file.fit else small).append(row)
    return large, small


def _known_dead(table: pa.Table) -> list[KnownDead]:
    first, last = (table[name].cast(pa.int64()).to_pylist() for name in ("first_attempt_at", "last_attempt_at"))
    retryable, counts, classes, attempts, fits = (
        table[name].to_pylist() for name in ("retryable", "redrive_count", "class", "attempts", "fit")
    )
    made = (1 if number is None else number for number in attempts)
    facts = zip(retryable, counts, first, (ended or 0 for ended in last), classes, made, fits, strict=True)
    return list(map(KnownDead._make, facts))


def _by_shard(file: HistoryFile, rows: list[tuple[Any, ...]], shard_digits: int) -> Iterator[tuple[str, Block]]:
    shards: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        shards.setdefault(shard_of(row[0], shard_digits), []).append(row)
    for shard, block in shards.items():
        asked = {row[1] for row in block}
        yield (
            shard,
            Block(file.kind, block, {one: file.answers[one] for one in asked if one in file.answers}, file.number),
        )
