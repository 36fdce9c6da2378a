"""`ReadAnswers`: the stored answers of an output folder, to flatten them again without a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam

from .endpoint.errors import ConfigurationError
from .ledger.history import SHARD_DIGITS, Block, HistoryFile, check_shard_digits, read_journalled, scan
from .ledger.layout import Layout
from .ledger.log import committed_files, committed_runs
from .ledger.plan import plan_shard
from .ledger.redrive import RedrivePolicy


class ReadAnswers(beam.PTransform):
    """PBegin -> PCollection of `pa.Table` (schema of `responses`): each image and request once, of committed runs:
    the newest.

    Args:
      output: the folder to read.
      shard_digits: as of `PlanWork`.

    Raises:
      ConfigurationError: it holds no committed run.
    """

    def __init__(self, output: str, shard_digits: int = SHARD_DIGITS) -> None:
        super().__init__()
        self._shard_digits = check_shard_digits(shard_digits)
        self._layout = Layout(output.rstrip("/"))
        if not committed_runs(self._layout):
            raise ConfigurationError(f"stored answers in {output!r}", "there is no committed run", "check the folder")

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return (
            begin
            | beam.Create([self._layout], reshuffle=False)
            | "ListAnswers" >> beam.FlatMap(_answer_files)
            | "Spread" >> beam.Reshuffle()
            | "Scan" >> beam.FlatMap(scan, self._shard_digits)
            | "ByShard" >> beam.GroupByKey()
            | "EachOnce" >> beam.FlatMapTuple(_each_once)
            | "ByFile" >> beam.GroupByKey()
            | "Read" >> beam.FlatMapTuple(read_journalled)
        )


def _answer_files(layout: Layout) -> Iterator[HistoryFile]:
    for _, path, number in committed_files(layout, committed_runs(layout), "responses"):
        yield HistoryFile("journalled", path, answers={}, number=number)


def _each_once(_: str, blocks: Iterable[Block]) -> Iterator[tuple[str, list[int]]]:
    yield from plan_shard([], blocks, [], RedrivePolicy()).recovered.items()
