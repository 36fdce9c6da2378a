"""`ReadImageUris`: lists of URIs in text, CSV, JSON Lines or Parquet, patterns of image files, and folders of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, TaggedOutput

from ..schemas import TABLES
from ..schemas.outcomes import InputReference
from .endpoint.errors import ConfigurationError
from .endpoint.uri import ImageRef
from .files.many import in_parallel
from .ledger.layout import Layout
from .ledger.lists import list_count, recorded_lists
from .lists.check import check_column_is_used, check_list
from .lists.columns import DEFAULT_COLUMN
from .lists.contents import files_digest, input_reference, list_digest
from .lists.files import ListFile, spool_standard_input
from .lists.matching import check_found, image_files, list_files
from .lists.parsers import read_list
from .lists.references import STANDARD_INPUT
from .packing import pack, unpack

IMAGES, ROWS, COUNTS = "images", "rows", "counts"
_CHECKS_AT_ONCE = 32  # each is a request or two where lists are objects of a store
_ROWS = 10_000


class ReadImageUris(beam.PTransform):
    """PBegin -> PCollection of `ImageRef`, one per line, row or file, each with the list and the position it stands at.

    Args:
      lists: patterns of list files, in UTF-8. The ending tells the format: `.txt` (one URI a line, blank lines are
        ignored), `.csv` (with a header), `.jsonl` (an object a line), each also with `.gz`; `.parquet`. `-` is a text
        list on standard input, read here: the workers have to be on this machine.
      images: patterns of image files; each file is an image. Of a folder, the files in it and below it that are named
        like images.
      uri_column: where the URI stands in CSV, JSON Lines and Parquet.

    A row without a URI, or a line that is not what the format says, becomes a reference that fails as `invalid_uri`:
    it is counted, never dropped. A list is read by one worker, line by line; lists are spread over workers.

    Raises:
      ConfigurationError: nothing is to be read, a pattern matches no file, or a list cannot be read: its beginning is
        no text in UTF-8, or it has no such column. Also when it runs: a list cannot be read to its end.
    """

    def __init__(self, lists: Sequence[str] = (), images: Sequence[str] = (), uri_column: str = DEFAULT_COLUMN) -> None:
        super().__init__()
        if not lists and not images:
            raise ConfigurationError("no input", "something has to be analyzed", "set --input or --images")
        self._patterns = {"lists": list(lists), "images": list(images)}
        self._uri_column = uri_column
        for pattern in images:
            check_found(pattern, image_files(pattern))
        files = [file for pattern in lists if pattern != STANDARD_INPUT for file in list_files(pattern)]
        if STANDARD_INPUT in lists:
            files.append(spool_standard_input(owner=self))
        check_column_is_used(files, uri_column)
        list(in_parallel(partial(check_list, column=uri_column), files, _CHECKS_AT_ONCE))
        self._sources: list[ListFile | str] = [*files, *images]

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return self._spread(begin) | "References" >> beam.FlatMap(_references, self._uri_column)

    def recorded(self, output: str, run_id: str) -> beam.PTransform:
        """The same for a run that keeps its lists: a transform that gives a dict of PCollections.

        `images`: `ImageRef`. `rows`: `(table name, pa.Table)` of the table `inputs`, of lists whose content is in no
        committed run of the folder `output`. `counts`: dicts to add up, which tell the manifest of each list.
        """
        return _Recorded(self, output, run_id)

    def _spread(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        # One chain for all of them: where branches are flattened, a runner in memory holds all that comes together.
        return (
            begin
            | "Sources" >> beam.Create([pack(self._sources)], reshuffle=False)
            | "Each" >> beam.FlatMap(unpack)
            | "Spread" >> beam.Reshuffle()
        )

    def display_data(self) -> dict[str, object]:
        shown = {name: ",".join(patterns) for name, patterns in self._patterns.items()}
        return {**shown, "uri_column": self._uri_column}


class _Recorded(beam.PTransform):
    def __init__(self, source: ReadImageUris, output: str, run_id: str) -> None:
        super().__init__()
        self._source, self._layout, self._run_id = source, Layout(output), run_id

    def expand(self, begin: beam.pvalue.PBegin) -> dict[str, beam.PCollection]:
        known = (
            begin
            | "Output" >> beam.Create([(self._layout, self._run_id)], reshuffle=False)
            | "RecordedLists" >> beam.MapTuple(recorded_lists)
        )
        read = self._source._spread(begin) | "References" >> beam.ParDo(
            _ReadAndRecord(self._source._uri_column, self._run_id), AsSingleton(known)
        ).with_outputs(ROWS, COUNTS, main=IMAGES)
        return {name: read[name] for name in (IMAGES, ROWS, COUNTS)}

    def display_data(self) -> dict[str, object]:
        return self._source.display_data()


class _ReadAndRecord(beam.DoFn):
    def __init__(self, uri_column: str, run_id: str) -> None:
        self._column, self._run_id = uri_column, run_id

    def process(self, source: ListFile | str, known: dict[str, str]) -> Iterator[Any]:
        name, digest = _named(source, self._column)
        held_by = known.get(digest)
        rows: list[InputReference] = []
        number = 0
        for image in _references(source, self._column):
            number += 1
            if held_by is None:
                rows.append(input_reference(image, self._run_id))
                if len(rows) == _ROWS:
                    yield _table(rows)
                    rows = []
            yield image
        if rows:
            yield _table(rows)
        yield TaggedOutput(COUNTS, list_count(name, digest, held_by or self._run_id, number))


def _named(source: ListFile | str, column: str) -> tuple[str, str]:
    """The name of a list and the digest of its content."""
    if isinstance(source, ListFile):
        return source.name, list_digest(source, column)
    return source, files_digest(source, image_files(source))


def _table(rows: list[InputReference]) -> TaggedOutput:
    return TaggedOutput(ROWS, ("inputs", TABLES["inputs"].to_table(rows)))


def _references(source: ListFile | str, uri_column: str) -> Iterator[ImageRef]:
    return read_list(source, uri_column) if isinstance(source, ListFile) else image_files(source)
