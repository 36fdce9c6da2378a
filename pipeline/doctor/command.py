"""From the flags of a run to findings, printed as lines or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from ...transforms.endpoint.address import check_endpoint
from ...transforms.endpoint.credentials import Credential, EntraToken, EnvironmentKey, IssuedToken, SecretManagerKey
from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.endpoint.payload import check_fit
from ...transforms.endpoint.request import AnalyzeRequest
from ...transforms.endpoint.resource import Resource
from ...transforms.endpoint.settings import CallSettings
from ...transforms.files.schemes import scheme_of
from ...transforms.ledger.redrive import RedrivePolicy
from ...transforms.prices import read_prices
from .. import runners
from ..flags import parse
from ..job import call_settings, patterns, request_of
from ..options import ImageAnalysisOptions
from ..resources import entries, resources, whole_rate
from ..runners import DATAFLOW_RUNNER, in_memory_unless_named
from ..terminal import out
from ..troubleshooting import with_link
from ..workers import check_processes
from .calls import call_each
from .findings import Finding, looked_at
from .places import places
from .service import knock_at

_WHO: dict[type[Credential], str] = {
    EnvironmentKey: "a key of the environment",
    SecretManagerKey: "a key in Secret Manager",
    IssuedToken: "a token that is issued for the key",
    EntraToken: "a token of Microsoft Entra",
}
RED = 2  # exit code


def main(argv: list[str]) -> int:
    """Prints what was found; returns the exit code.

    Raises:
      ConfigurationError: a flag is not known.
    """
    runners.hush()
    options = parse(argv, "doctor")
    flags = options.view_as(ImageAnalysisOptions)
    findings = []
    for finding in examine(options):
        findings.append(finding)
        if not flags.json:
            out(_lines(finding))
    red = sum(not finding.is_good for finding in findings)
    if flags.json:
        out(json.dumps({"ok": not red, "checks": [finding._asdict() for finding in findings]}, indent=2))
    else:
        out(_last_line(len(findings), red, flags.call))
    return RED if red else 0


def _lines(finding: Finding) -> str:
    line = f"{'ok ' if finding.is_good else 'RED'}  {finding.check:<12} {finding.said}"
    return line if finding.is_good else with_link(f"{line}\n{'':18}fix: {finding.fix}", finding.entry)


def _last_line(number: int, red: int, called: bool) -> str:
    if red:
        unspent = "; no call is made while something is red" if called else ""
        return f"{red} of {number} checks {'is' if red == 1 else 'are'} red{unspent}"
    return f"all {number} checks are green" + ("" if called else "; no image was called, nothing was billed")


def examine(options: PipelineOptions) -> Iterator[Finding]:
    """Everything that a run with these options needs. What hangs on something red is left out."""
    flags = options.view_as(ImageAnalysisOptions)
    FileSystems.set_options(options)
    made: dict[str, Any] = {}
    is_all_good = True
    for finding in chain(
        _settings(flags, options, made),
        places(flags, patterns(flags.input), patterns(flags.images), options),
        _endpoints(flags, options, made),
        _services(made),
    ):
        is_all_good = is_all_good and finding.is_good
        yield finding
    if flags.call and is_all_good:
        for resource in made["resources"]:
            yield from call_each(resource, made["request"], made["settings"])


def _services(made: dict[str, Any]) -> Iterator[Finding]:
    """Of what the checks before have `made`: a question to each resource."""
    if "request" in made and "settings" in made:
        for resource in made.get("resources", ()):
            yield from knock_at(resource, made["request"], made["settings"])


def _settings(flags: ImageAnalysisOptions, options: PipelineOptions, made: dict[str, Any]) -> Iterator[Finding]:
    def runner() -> str:
        made["runner"] = in_memory_unless_named(options)
        return f"{made['runner']}"

    def asked() -> str:
        request: AnalyzeRequest = request_of(flags)
        made["request"] = request
        return f"{request.model_name or ', '.join(request.features)}; api-version {request.api_version}"

    def numbers() -> str:
        settings: CallSettings = call_settings(flags)
        RedrivePolicy(flags.redrive, flags.max_redrives, check_fit(flags.fit))
        check_processes(options)
        read_prices(flags.prices)
        made["settings"] = settings
        return f"{settings.max_in_flight} calls in flight, {settings.call_deadline:g} s for an image"

    yield looked_at("runner", runner)
    if made.get("runner") == DATAFLOW_RUNNER:
        yield looked_at("dataflow", lambda: _dataflow(flags, options))
    yield looked_at("request", asked)
    yield looked_at("numbers", numbers)


def _dataflow(flags: ImageAnalysisOptions, options: PipelineOptions) -> str:
    cloud = options.view_as(GoogleCloudOptions)
    examples = {"project": "my-project", "region": "europe-west4", "temp_location": "gs://BUCKET/tmp"}
    for name, example in examples.items():
        if not getattr(cloud, name):
            raise ConfigurationError(
                f"runner {DATAFLOW_RUNNER}", f"it needs --{name}", f"add it, as --{name} {example}"
            )
    for name in [flags.output or "", *patterns(flags.input), *patterns(flags.images)]:
        if name and scheme_of(name) is None:
            rule = "its workers cannot reach a path of this machine"
            raise ConfigurationError(f"runner {DATAFLOW_RUNNER} with {name!r}", rule, "put it into a bucket")
    return f"project {cloud.project}, region {cloud.region}, {cloud.temp_location}"


def _endpoints(flags: ImageAnalysisOptions, options: PipelineOptions, made: dict[str, Any]) -> Iterator[Finding]:
    named: list[Any] = []

    def endpoints() -> str:
        listed = entries(flags)
        checked = [check_endpoint(entry.url, flags.allow_insecure_endpoint) for entry in listed]
        rate = whole_rate(listed)
        named.extend(listed)
        return f"{', '.join(checked)}{'' if rate is None else f', {rate:g} calls a second'}"

    def keys() -> str:
        found: tuple[Resource, ...] = resources(flags, named, None, made.get("runner", ""), options)
        made["resources"] = found if made.get("runner") != DATAFLOW_RUNNER or flags.key_secret else ()
        return ", ".join(_WHO[type(resource.credential)] for resource in found)

    yield looked_at("endpoint", endpoints)
    if named:
        yield looked_at("credential", keys)
