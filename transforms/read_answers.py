"""`ReadAnswers`: the stored answers of an output folder, to flatten them again without a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam

from .endpoint.errors import ConfigurationError
from .history import Block, HistoryFile, read_rows, scan
from .layout import Layout
from .plan import RedrivePolicy, plan_shard


class ReadAnswers(beam.PTransform):
    """PBegin -> PCollection of `pa.Table` (schema of `responses`): each image and request once, of committed runs.

    Args:
      output: the folder to read.

    Raises:
      ConfigurationError: it holds no committed run.
    """

    def __init__(self, output: str) -> None:
        super().__init__()
        self._layout = Layout(output.rstrip("/"))
        if not self._layout.committed_runs():
            raise ConfigurationError(f"stored answers in {output!r}", "there is no committed run", "check the folder")

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return (
            begin
            | beam.Create([self._layout], reshuffle=False)
            | "ListAnswers" >> beam.FlatMap(_answer_files)
            | "Spread" >> beam.Reshuffle()
            | "Scan" >> beam.FlatMap(scan, "")
            | "ByShard" >> beam.GroupByKey()
            | "EachOnce" >> beam.FlatMapTuple(_each_once)
            | "ByFile" >> beam.GroupByKey()
            | "Read" >> beam.FlatMapTuple(read_rows)
        )


def _answer_files(layout: Layout) -> Iterator[HistoryFile]:
    files = layout.files("responses")
    for run in layout.committed_runs():
        yield from (HistoryFile("journalled", path) for path in files.get(run, []))


def _each_once(_: str, blocks: Iterable[Block]) -> Iterator[tuple[str, list[int]]]:
    yield from plan_shard([], blocks, "", RedrivePolicy()).recovered.items()
