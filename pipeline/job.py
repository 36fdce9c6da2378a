"""The job: flags -> checked configuration -> graph. It only wires the public transforms."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from ..schemas import SCHEMA_VERSION, TABLES
from ..transforms.account_run import FILES, AccountRun, count_dead_letter, count_deferred
from ..transforms.analyze_images import AnalyzeImages
from ..transforms.endpoint.client import Timeouts, check_endpoint
from ..transforms.endpoint.credentials import (
    Credential,
    EntraToken,
    EnvironmentKey,
    IssuedToken,
    SecretManagerKey,
)
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.endpoint.fingerprint import request_fingerprint
from ..transforms.endpoint.request import AnalyzeRequest
from ..transforms.endpoint.settings import CallSettings
from ..transforms.flatten_sections import FlattenSections
from ..transforms.journal_answers import JournalAnswers
from ..transforms.plan import RedrivePolicy
from ..transforms.plan_work import PlanWork
from ..transforms.read_image_uris import ReadImageUris
from ..transforms.records import RecordsToTables
from ..transforms.write_tables import WriteTables
from .options import ImageAnalysisOptions
from .workers import share_of_rate

IN_MEMORY_RUNNER, DATAFLOW_RUNNER = "FnApiRunner", "DataflowRunner"
ENDPOINT_VARIABLE, KEY_VARIABLE = "VISION_ENDPOINT", "VISION_KEY"


@dataclass(frozen=True)
class JobConfig:
    """A job that can work: every part was validated when it was built."""

    options: PipelineOptions
    runner: str
    output: str
    request: AnalyzeRequest
    endpoint: str
    credential: Credential
    settings: CallSettings
    policy: RedrivePolicy
    source: ReadImageUris

    @property
    def flags(self) -> ImageAnalysisOptions:
        return self.options.view_as(ImageAnalysisOptions)

    @property
    def is_in_memory(self) -> bool:
        return self.runner == IN_MEMORY_RUNNER

    @property
    def is_local(self) -> bool:
        """Whether this process waits for the end of the run."""
        return self.runner != DATAFLOW_RUNNER


def configure(options: PipelineOptions, calling: bool = True) -> JobConfig:
    """Checks all flags, before anything is spent. Where nothing is called, endpoint and key may be missing.

    Raises:
      ConfigurationError: the first flag that cannot work.
    """
    flags = options.view_as(ImageAnalysisOptions)
    runner = in_memory_unless_named(options)
    if not flags.output:
        raise ConfigurationError("no output", "the tables need a folder", "set --output")
    return JobConfig(
        options=options,
        runner=runner,
        output=flags.output.rstrip("/"),
        request=_request(flags),
        endpoint=_endpoint(flags) if calling else "",
        credential=_credential(flags, runner) if calling else EnvironmentKey(KEY_VARIABLE),
        settings=_settings(flags, runner, options),
        policy=RedrivePolicy(flags.redrive, flags.max_redrives),
        source=ReadImageUris(_patterns(flags.input), _patterns(flags.images), flags.uri_column),
    )


def build(pipeline: beam.Pipeline, config: JobConfig, run_id: str, dead_runs: list[str]) -> beam.PCollection:
    """The graph of a run; returns the PCollection with its manifest.

    Nothing large is flattened from several stages: a runner in memory would hold it all between them. Branches are
    written on their own, and only counts and file names come together.
    """
    flags, output = config.flags, config.output
    work = (
        pipeline
        | "ReadImageUris" >> config.source
        | "PlanWork" >> PlanWork(config.request, output, run_id, dead_runs, config.policy, flags.max_calls)
    )
    calls = work["to_do"] | "AnalyzeImages" >> AnalyzeImages(
        config.request,
        config.endpoint,
        credential=config.credential,
        settings=config.settings,
        batch_size=flags.batch_size,
        run_id=run_id,
        error_handling={"output": "dead_letters"},
        allow_insecure_endpoint=flags.allow_insecure_endpoint,
    )
    journalled = calls["analyzed"] | "JournalAnswers" >> JournalAnswers(output, run_id)
    if not config.is_in_memory:
        journalled |= "KeepAnswers" >> beam.Reshuffle()
    flattened = [
        journalled | "FlattenSections" >> FlattenSections(run_id),
        work["recovered"] | "FlattenRecovered" >> FlattenSections(run_id),
    ]
    records = {
        "dead_letters": [calls["dead_letters"], *(sections["dead_letters"] for sections in flattened)],
        "deferred": [calls["deferred"], work["deferred"]],
        "duplicates": [work["duplicates"]] if flags.with_duplicates else [],
    }
    tables = [*(sections["tables"] for sections in flattened), *record_tables(records)]
    files = tuple(tables) | "WriteTables" >> WriteTables(output, run_id, tables_of(flags.with_duplicates))
    counts = [work["counts"], calls["stats"], *(sections["counts"] for sections in flattened), *record_counts(records)]
    return accounts(files, counts) | AccountRun(output, run_id, facts(config), dead_runs)


def record_tables(records: dict[str, list[beam.PCollection]]) -> Iterator[beam.PCollection]:
    """`(table name, pa.Table)` of each PCollection of records, by the table they belong to."""
    for name, branches in records.items():
        for number, rows in enumerate(branches):
            yield rows | f"Rows of {name} {number}" >> RecordsToTables(name)


def record_counts(records: dict[str, list[beam.PCollection]]) -> Iterator[beam.PCollection]:
    """The counts of each PCollection of records that the accounts need."""
    counters = {"dead_letters": count_dead_letter, "deferred": count_deferred}
    for name, count in counters.items():
        for number, rows in enumerate(records.get(name, [])):
            yield rows | f"Count {name} {number}" >> beam.Map(count)


def accounts(files: beam.PCollection, counts: Iterable[beam.PCollection]) -> dict[str, beam.PCollection]:
    """What `AccountRun` takes."""
    return {FILES: files} | {f"counts {number}": pcollection for number, pcollection in enumerate(counts)}


def tables_of(with_duplicates: bool) -> list[str]:
    """The tables that a run writes."""
    return [name for name, spec in TABLES.items() if with_duplicates or not spec.optional]


def facts(config: JobConfig) -> dict[str, Any]:
    """What the manifest says of the run besides its counts; nothing secret."""
    return {
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "request": asdict(config.request),
        "fingerprint": request_fingerprint(config.request),
        "endpoint": config.endpoint,
        "settings": asdict(config.settings),
        "requests_per_second": config.flags.requests_per_second,
        "runner": config.runner,
        "schema_version": SCHEMA_VERSION,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions of everything that shapes the tables."""
    packages = {name: version(name) for name in ("image-analysis-beam", "apache-beam", "pyarrow")}
    return packages | {"python": platform.python_version()}


def in_memory_unless_named(options: PipelineOptions) -> str:
    """The runner's name; the in-memory one where DirectRunner, or none, was asked for."""
    standard = options.view_as(StandardOptions)
    name = (standard.runner or "DirectRunner").rpartition(".")[2]
    if name.lower() == "daskrunner":
        raise ConfigurationError(
            "runner DaskRunner",
            "it loses rows silently in Beam 2.77",
            "use DirectRunner, or a cluster's runner",
        )
    if name.lower() in ("directrunner", "direct"):
        name = IN_MEMORY_RUNNER
    standard.runner = name
    return name


def _request(flags: ImageAnalysisOptions) -> AnalyzeRequest:
    return AnalyzeRequest(
        features=flags.features,
        model_name=flags.model_name,
        language=flags.language,
        gender_neutral_caption=flags.gender_neutral_caption,
        smartcrops_aspect_ratios=flags.smartcrops_aspect_ratios,
        api_version=flags.api_version,
        model_version=flags.model_version,
    )


def _endpoint(flags: ImageAnalysisOptions) -> str:
    endpoint = flags.endpoint or os.environ.get(ENDPOINT_VARIABLE, "")
    if not endpoint:
        raise ConfigurationError(
            "no endpoint",
            f"it was looked for in --endpoint and in the environment variable {ENDPOINT_VARIABLE}",
            "set one of them, for example to https://NAME.cognitiveservices.azure.com",
        )
    return check_endpoint(endpoint, flags.allow_insecure_endpoint)


def _credential(flags: ImageAnalysisOptions, runner: str) -> Credential:
    if flags.auth == "entra":
        return EntraToken()
    key: EnvironmentKey | SecretManagerKey
    if flags.key_secret:
        key = SecretManagerKey(flags.key_secret)
    elif not os.environ.get(KEY_VARIABLE) or runner == DATAFLOW_RUNNER:
        where = "the workers" if runner == DATAFLOW_RUNNER else f"the environment variable {KEY_VARIABLE}"
        raise ConfigurationError(
            "no key",
            f"there is none in {where}, and --key_secret is not set",
            f"export {KEY_VARIABLE}, or name a Secret Manager secret with --key_secret, or use --auth entra",
        )
    else:
        key = EnvironmentKey(KEY_VARIABLE)
    return IssuedToken(key, flags.token_issuer or _endpoint(flags)) if flags.auth == "token" else key


def _settings(flags: ImageAnalysisOptions, runner: str, options: PipelineOptions) -> CallSettings:
    rate = flags.requests_per_second
    if rate is not None and not 0 < rate < float("inf"):
        raise ConfigurationError(
            f"requests_per_second {rate}", "it is a number above 0", "leave it out to find the limit"
        )
    return CallSettings(
        max_in_flight=flags.max_in_flight,
        max_bytes_in_flight=flags.max_bytes_in_flight,
        requests_per_second=share_of_rate(rate, flags.max_in_flight, runner, options),
        call_deadline=flags.call_deadline,
        max_wait=flags.max_wait,
        max_attempts=flags.max_attempts,
        ambiguous_retries=flags.ambiguous_retries,
        outage_patience=flags.outage_patience,
        timeouts=Timeouts(flags.connect_timeout, flags.read_timeout, flags.request_timeout),
    )


def _patterns(given: list[str] | str | None) -> list[str]:
    """Patterns of a flag: repeated, or one comma-separated text (as a template parameter is)."""
    texts = [given] if isinstance(given, str) else given or []
    return [pattern for text in texts for pattern in text.split(",") if pattern]
