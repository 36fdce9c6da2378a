"""The transforms as Beam YAML takes them (`providers.yaml`): plain arguments in, rows with a schema out.

Annotations stay objects here: Beam reads them for the schema of each transform's configuration.
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import coders

from ..schemas import SCHEMA_VERSION, TABLES
from ..schemas.outcomes import Analyzed, DeadLetter, Deferred
from . import analyze_images, read_image_uris
from .account_run import AccountRun, count_dead_letter
from .endpoint.request import AnalyzeRequest
from .endpoint.settings import CallSettings
from .endpoint.uri import ImageRef
from .flatten_sections import FlattenSections
from .layout import new_run_id
from .records import RecordsToTables
from .write_tables import WriteTables


class Uri(NamedTuple):
    """A row of `ReadImageUris`."""

    uri: str


class Answer(NamedTuple):
    """A row of `AnalyzeImages`: an answer, `body` being the JSON as it came; `analyzed_at` is ISO 8601."""

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

    def __init__(self, lists: str = "", images: str = "", uri_column: str = read_image_uris.DEFAULT_COLUMN):
        super().__init__()
        self._read = read_image_uris.ReadImageUris(_split(lists), _split(images), uri_column)

    def expand(self, begin: Any) -> beam.PCollection:
        return begin | self._read | "Rows" >> beam.Map(lambda image: Uri(image.uri)).with_output_types(Uri)


class AnalyzeImages(beam.PTransform):
    """Calls Azure Image Analysis for each row. The key is in the environment variable VISION_KEY of the workers.

    Args:
      endpoint (str): URL of the Azure AI Vision resource.
      features (str): Separated by commas: caption, denseCaptions, tags, objects, people, smartCrops, read.
      model_name (str): A custom model, instead of features.
      language (str): Language of tags.
      uri_field (str): The field that holds the URI.
      requests_per_second (float): Rate of one worker process; left out, the limit is found.
      max_in_flight (int): Calls at once, per worker process.
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
        error_handling: Mapping[str, str] | None = None,
    ):
        super().__init__()
        self._uri_field, self._error_handling = uri_field, error_handling
        self._analyze = analyze_images.AnalyzeImages(
            AnalyzeRequest(tuple(_split(features)), model_name=model_name, language=language),
            endpoint,
            settings=CallSettings(requests_per_second=requests_per_second, max_in_flight=max_in_flight),
            error_handling=error_handling,
        )

    def expand(self, rows: beam.PCollection) -> dict[str, beam.PCollection]:
        images = rows | "Images" >> beam.Map(lambda row, field: ImageRef.of(getattr(row, field)), self._uri_field)
        outcomes = images | self._analyze
        results = {"analyzed": outcomes["analyzed"] | "Answers" >> beam.Map(_answer).with_output_types(Answer)}
        if self._error_handling is not None:
            name = self._error_handling["output"]
            unanswered = (outcomes[name], outcomes["deferred"]) | "Unanswered" >> beam.Flatten()
            results[name] = unanswered | "Failures" >> beam.Map(_failure).with_output_types(Failure)
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
        answers = rows | "Answers" >> beam.Map(_analyzed, self._run_id) | RecordsToTables("responses") | beam.Values()
        flattened = answers | FlattenSections(self._run_id)
        rejected = flattened["dead_letters"]
        tables = (flattened["tables"], rejected | "DeadLetters" >> RecordsToTables("dead_letters"))
        names = [name for name, table in TABLES.items() if not table.optional]
        inputs = {
            "files": tables | WriteTables(self._output, self._run_id, names),
            "answers": answers | "CountAnswers" >> beam.Map(lambda table: {"input": table.num_rows}),
            "unknown": flattened["counts"],
            "dead letters": rejected | "CountDeadLetters" >> beam.Map(count_dead_letter),
        }
        versions = {name: version(name) for name in ("image-analysis-beam", "apache-beam", "pyarrow")}
        started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        facts = {"started_at": started_at, "schema_version": SCHEMA_VERSION, "versions": versions}
        manifest = inputs | AccountRun(self._output, self._run_id, facts)
        return manifest | "Files" >> beam.FlatMap(_files).with_output_types(FileWritten)


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
