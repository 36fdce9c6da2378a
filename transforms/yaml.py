"""The transforms as Beam YAML takes them (`providers.yaml`): plain arguments in, rows with a schema out.

Annotations stay objects here: Beam reads them for the schema of each transform's configuration.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import coders
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.schemas import named_fields_from_element_type

from ..schemas.outcomes import Analyzed, DeadLetter, Deferred
from . import analyze_images, read_image_uris
from .endpoint.errors import ConfigurationError
from .endpoint.request import AnalyzeRequest
from .endpoint.settings import CallSettings
from .endpoint.uri import ImageRef
from .ledger.layout import new_run_id
from .lists.columns import DEFAULT_COLUMN
from .records_to_tables import RecordsToTables
from .write_run import WriteRun, facts_of_now


class Uri(NamedTuple):
    """A row of `ReadImageUris`: the URI, empty for a line that names none, and the list with line or row in it."""

    uri: str
    list: str
    position: int


class Answer(NamedTuple):
    """A row of `AnalyzeImages`: an answer, `body` being the JSON as it came; `analyzed_at` is ISO 8601.

    From `fit` on: what was sent, and of which image, as in the table `responses`.
    """

    image_id: str
    image_uri: str
    fingerprint: str
    api_version: str
    features: str
    model_name: str | None
    body: str
    request_id: str | None
    region: str | None
    billed_units: int | None
    latency_ms: float
    attempts: int
    maybe_billed: bool
    bytes_sent: int
    analyzed_at: str
    fit: int | None
    sent_width: int | None
    sent_height: int | None
    sent_bytes: int | None
    sent_format: str | None
    content_bytes: int | None
    content_sha256: str | None
    content_etag: str | None
    original_width: int | None
    original_height: int | None
    copy_of: str | None


class Failure(NamedTuple):
    """A row of the error output: an image without an answer, what happened (the fault's class, or why it was deferred),
    and whether a later call may succeed."""

    image_id: str
    image_uri: str
    fault: str
    message: str
    retryable: bool
    http_status: int | None
    request_id: str | None


class FileWritten(NamedTuple):
    """A row of `WriteImageTables`."""

    table: str
    path: str
    rows: int


for row in (Uri, Answer, Failure, FileWritten):
    coders.registry.register_coder(row, coders.RowCoder)


class ReadImageUris(beam.PTransform):
    """Reads lists of image URIs, and globs of image files.

    Args:
      lists (str): Patterns of list files (.txt, .csv, .jsonl, .parquet), separated by commas.
      images (str): Patterns of image files, separated by commas.
      uri_column (str): Where the URI stands in .csv, .jsonl and .parquet.
    """

    def __init__(self, lists: str = "", images: str = "", uri_column: str = DEFAULT_COLUMN):
        super().__init__()
        self._read = read_image_uris.ReadImageUris(_split(lists), _split(images), uri_column)

    def expand(self, begin: Any) -> beam.PCollection:
        return begin | self._read | "Rows" >> beam.Map(_uri).with_output_types(Uri)


class AnalyzeImages(beam.PTransform):
    """Calls Azure Image Analysis for each row, once for each image, and keeps the row's other fields. The key is in the
    environment variable VISION_KEY of the workers.

    Args:
      endpoint (str): URL of the Azure AI Vision resource.
      features (str): Separated by commas: caption, denseCaptions, tags, objects, people, smartCrops, read.
      model_name (str): A custom model, instead of features.
      language (str): Language of tags.
      uri_field (str): The field that holds the URI.
      requests_per_second (float): Rate of one worker process; left out, the limit is found.
      max_in_flight (int): Calls at once, per worker process.
      fit (int): Images sent as bytes get sides of at most so many pixels, and a format and size that the service takes.
      error_handling (dict): `output` names the output of images without an answer; left out, they fail the pipeline.
    """

    def __init__(
        self,
        endpoint: str,
        features: str = "",
        model_name: str = "",
        language: str = "en",
        uri_field: str = "uri",
        requests_per_second: float | None = None,
        max_in_flight: int = 64,
        fit: int | None = None,
        error_handling: Mapping[str, str] | None = None,
    ):
        super().__init__()
        self._uri_field, self._error_handling = uri_field, error_handling
        self._analyze = analyze_images.AnalyzeImages(
            AnalyzeRequest(tuple(_split(features)), model_name=model_name, language=language),
            endpoint,
            settings=CallSettings(requests_per_second=requests_per_second, max_in_flight=max_in_flight),
            error_handling=error_handling,
            keyed=True,
            fit=fit,
        )

    def expand(self, rows: beam.PCollection) -> dict[str, beam.PCollection]:
        kept = _kept(rows, self._uri_field)
        images = rows | "Images" >> beam.Map(_with_row, self._uri_field, [name for name, _ in kept])
        outcomes = images | self._analyze
        results = {"analyzed": outcomes["analyzed"] | "Answers" >> _rows(_answer, Answer, kept)}
        if self._error_handling is not None:
            name = self._error_handling["output"]
            results[name] = outcomes[name] | "Failures" >> _rows(_failure, Failure, kept)
        return results


class WriteImageTables(beam.PTransform):
    """Writes the rows of AnalyzeImages as Parquet tables, one for each section, and a manifest of what was written.

    Args:
      output (str): The output folder. The job `image-analysis-beam run` knows these answers as its own.
    """

    def __init__(self, output: str):
        super().__init__()
        self._output, self._run_id = output.rstrip("/"), new_run_id()

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        answers = (
            rows | "Answers" >> beam.Map(_analyzed, self._run_id) | _EachOnce() | RecordsToTables() | beam.Values()
        )
        number = answers | "CountAnswers" >> beam.Map(lambda table: {"input": table.num_rows})
        outcomes = {"answers": (answers,), "counts": (number,)}
        manifest = outcomes | "WriteRun" >> WriteRun(self._output, self._run_id, facts_of_now())
        return manifest | "Files" >> beam.FlatMap(_files).with_output_types(FileWritten)


class _EachOnce(beam.PTransform):
    """PCollection of `Analyzed` -> the same, one for each image: several rows may have had it."""

    def expand(self, answers: beam.PCollection) -> beam.PCollection:
        by_image = answers | beam.Map(lambda answer: ((answer.image_id, answer.fingerprint), answer))
        return by_image | beam.GroupByKey() | beam.MapTuple(_first)


def _first(_: tuple[str, str], answers: Iterable[Analyzed]) -> Analyzed:
    return next(iter(answers))


_Fields = list[tuple[str, Any]]


def _kept(rows: beam.PCollection, uri_field: str) -> _Fields:
    """Name and type of the fields of a row that are passed on beside those of an outcome.

    Raises:
      ConfigurationError: an outcome has a field of that name too.
    """
    fields = [field for field in named_fields_from_element_type(rows.element_type) if field[0] != uri_field]
    taken = {*Answer._fields, *Failure._fields}
    for name, _ in fields:
        if name in taken:
            raise ConfigurationError(
                f"field {name!r} of the rows", "it is a field of the outcomes too", "give it another name before"
            )
    return fields


def _with_row(row: Any, uri_field: str, kept: list[str]) -> tuple[tuple[Any, ...], ImageRef]:
    return tuple(getattr(row, name) for name in kept), ImageRef.of(getattr(row, uri_field))


def _rows(convert: Callable[[Any], Any], kind: Any, kept: _Fields) -> beam.PTransform:
    """`(values of kept fields, outcome)` -> rows with the fields of both."""
    fields = [*kept, *named_fields_from_element_type(kind)]
    names = [name for name, _ in fields]

    def row(values: tuple[Any, ...], outcome: Any) -> beam.Row:
        return beam.Row(**dict(zip(names, (*values, *convert(outcome)), strict=True)))

    return beam.MapTuple(row).with_output_types(RowTypeConstraint.from_fields(fields))


def _uri(image: ImageRef) -> Uri:
    return Uri(image.uri, image.listed_in, image.position)


def _split(patterns: str) -> list[str]:
    return [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]


def _answer(analyzed: Analyzed) -> Answer:
    fields = {name: value for name, value in analyzed._asdict().items() if name in Answer._fields}
    fields |= {"features": ",".join(analyzed.features), "analyzed_at": analyzed.analyzed_at.isoformat()}
    return Answer(**fields)


def _analyzed(row: Any, run_id: str) -> Analyzed:
    fields = {name: getattr(row, name) for name in Answer._fields}
    fields["features"] = tuple(filter(None, row.features.split(",")))
    fields["analyzed_at"] = datetime.fromisoformat(row.analyzed_at)
    return Analyzed(**fields, run_id=run_id, redrive_count=0)


def _failure(outcome: DeadLetter | Deferred) -> Failure:
    who = (outcome.image_id, outcome.image_uri)
    if isinstance(outcome, Deferred):
        return Failure(*who, outcome.reason, outcome.detail, True, None, None)
    return Failure(
        *who, outcome.fault_class, outcome.message, outcome.retryable, outcome.http_status, outcome.request_id
    )


def _files(manifest: dict[str, Any]) -> list[FileWritten]:
    return [
        FileWritten(table, path, entry["rows"])
        for table, entry in manifest["tables"].items()
        for path in entry["files"]
    ]
