"""The job: flags -> checked configuration -> graph. It only wires the public transforms."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from ..transforms.analyze_images import AnalyzeImages
from ..transforms.endpoint.client import Timeouts
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.endpoint.fingerprint import request_fingerprint
from ..transforms.endpoint.limits import Limits, limits_of
from ..transforms.endpoint.payload import check_fit
from ..transforms.endpoint.request import AnalyzeRequest
from ..transforms.endpoint.resource import Resource
from ..transforms.endpoint.settings import CallSettings
from ..transforms.ledger.history import SHARD_DIGITS
from ..transforms.ledger.redrive import RedrivePolicy
from ..transforms.lists.references import STANDARD_INPUT
from ..transforms.plan_work import PlanWork
from ..transforms.prices import Prices, read_prices
from ..transforms.read_image_uris import ReadImageUris
from ..transforms.write_run import WriteRun, facts_of_now
from .options import ImageAnalysisOptions
from .paths import check_store, output_folder
from .resources import entries, resources, whole_rate
from .runners import DATAFLOW_RUNNER, IN_MEMORY_RUNNER, in_memory_unless_named
from .workers import ON_THIS_MACHINE, check_processes, processes_that_share, share_at_start


@dataclass(frozen=True)
class JobConfig:
    """A job that can work: every part was validated when it was built."""

    options: PipelineOptions
    runner: str
    output: str
    request: AnalyzeRequest
    resources: tuple[Resource, ...]
    requests_per_second: float | None
    processes: int | None
    fit: int | None
    limits: Limits
    settings: CallSettings
    policy: RedrivePolicy
    source: ReadImageUris
    prices: Prices

    @property
    def flags(self) -> ImageAnalysisOptions:
        return self.options.view_as(ImageAnalysisOptions)

    @property
    def endpoint(self) -> str:
        """The URLs that are called."""
        return ", ".join(resource.endpoint for resource in self.resources)

    @property
    def process_share(self) -> float | None:
        """The rate of one process at the start, of all resources together."""
        return share_at_start(self.requests_per_second, self.processes)

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
    FileSystems.set_options(options)
    runner = in_memory_unless_named(options)
    check_processes(options)
    output, prices = output_folder(flags.output, options=options), read_prices(flags.prices) or Prices()
    lists, images = _lists(flags, runner), patterns(flags.images)
    for name, given in (("input", lists), ("images", images)):
        for pattern in given:
            check_store(pattern, name, options)
    named = entries(flags, calling)
    rate = whole_rate(named)
    processes = processes_that_share(rate, flags.max_in_flight, runner, options)
    fit = check_fit(flags.fit)
    return JobConfig(
        options=options,
        runner=runner,
        output=output,
        request=request_of(flags),
        resources=resources(flags, named, processes, runner, options) if calling else (),
        requests_per_second=rate,
        processes=processes,
        fit=fit,
        limits=limits_of(flags.max_dead_letters, flags.max_time),
        settings=call_settings(flags),
        policy=RedrivePolicy(flags.redrive, flags.max_redrives, fit),
        source=ReadImageUris(lists, images, flags.uri_column),
        prices=prices,
    )


def build(pipeline: beam.Pipeline, config: JobConfig, run_id: str) -> beam.PCollection:
    """The graph of a run; returns the PCollection with its manifest."""
    flags, output = config.flags, config.output
    listed = pipeline | "ReadImageUris" >> config.source.recorded(output, run_id)
    work = listed["images"] | "PlanWork" >> PlanWork(
        config.request,
        output,
        run_id,
        config.policy,
        flags.max_calls,
        shard_digits=shard_digits(config.runner),
        max_cost=flags.max_cost,
        prices=config.prices,
    )
    calls = work["to_do"] | "AnalyzeImages" >> AnalyzeImages(
        config.request,
        config.resources,
        settings=config.settings,
        batch_size=flags.batch_size,
        output=output,
        run_id=run_id,
        error_handling={"output": "failures"},
        allow_insecure_endpoint=flags.allow_insecure_endpoint,
        max_dead_letters=flags.max_dead_letters,
        max_time=flags.max_time,
        fit=config.fit,
    )
    outcomes = {
        "answers": (calls["responses"], work["recovered"]),
        "records": (calls["failures"], work["failed"], work["deferred"]),
        "rows": (listed["rows"],),
        "counts": (listed["counts"], work["counts"], calls["stats"]),
    }
    return outcomes | "WriteRun" >> WriteRun(output, run_id, facts(config), config.prices)


def shard_digits(runner: str) -> int:
    """By how many digits planning is parted: 256 shards do in memory; elsewhere, 4096 hold 200 million by 50 000."""
    return SHARD_DIGITS if runner == IN_MEMORY_RUNNER else SHARD_DIGITS + 1


def facts(config: JobConfig) -> dict[str, Any]:
    """What the manifest says of the run besides its counts; nothing secret."""
    return {
        **facts_of_now(),
        "request": asdict(config.request),
        "fingerprint": request_fingerprint(config.request),
        "endpoint": config.endpoint,
        "settings": asdict(config.settings),
        "requests_per_second": config.requests_per_second,
        "fit": config.fit,
        "max_dead_letters": config.limits.dead_letters.text if config.limits.dead_letters else None,
        "runner": config.runner,
    }


def request_of(flags: ImageAnalysisOptions) -> AnalyzeRequest:
    return AnalyzeRequest(
        features=flags.features,
        model_name=flags.model_name,
        language=flags.language,
        gender_neutral_caption=flags.gender_neutral_caption,
        smartcrops_aspect_ratios=flags.smartcrops_aspect_ratios,
        api_version=flags.api_version,
        model_version=flags.model_version,
    )


def call_settings(flags: ImageAnalysisOptions) -> CallSettings:
    return CallSettings(
        max_in_flight=flags.max_in_flight,
        max_bytes_in_flight=flags.max_bytes_in_flight,
        call_deadline=flags.call_deadline,
        max_wait=flags.max_wait,
        max_attempts=flags.max_attempts,
        ambiguous_retries=0 if flags.max_cost is not None else flags.ambiguous_retries,
        outage_patience=flags.outage_patience,
        timeouts=Timeouts(flags.connect_timeout, flags.read_timeout, flags.request_timeout),
    )


def _lists(flags: ImageAnalysisOptions, runner: str) -> list[str]:
    lists = patterns(flags.input)
    if STANDARD_INPUT in lists and runner not in ON_THIS_MACHINE:
        raise ConfigurationError(
            f"input {STANDARD_INPUT!r} on {runner}",
            "its workers cannot read the standard input of this process",
            "write the list to a file that they can read",
        )
    return lists


def patterns(given: list[str] | str | None) -> list[str]:
    """Patterns of a flag: repeated, or one comma-separated text (as a template parameter is).

    What is there under that very name is not taken apart.
    """
    texts = [given] if isinstance(given, str) else given or []
    return [pattern for text in texts for pattern in ([text] if os.path.exists(text) else text.split(",")) if pattern]
