"""`--endpoint`: the URL of a resource, or a YAML file of resources; and who we are at each, and at what rate.

- url: https://one.cognitiveservices.azure.com
  rate: 20                          # calls per second of all who share it; left out: found by trying
  key_variable: VISION_KEY_ONE      # or key_secret: projects/…; left out: as the flags say
- url: https://two.cognitiveservices.azure.com
  rate: 10
  share: gs://bucket/shares/two     # a folder in which several jobs share the rate
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]
from apache_beam.options.pipeline_options import PipelineOptions

from ..transforms.endpoint.address import check_endpoint
from ..transforms.endpoint.credentials import (
    Credential,
    EntraToken,
    EnvironmentKey,
    IssuedToken,
    SecretManagerKey,
    check_entra_is_installed,
    check_variable,
)
from ..transforms.endpoint.errors import ConfigurationError, check_positive, check_type
from ..transforms.endpoint.resource import Resource
from ..transforms.endpoint.settings import MAX_RATE
from ..transforms.files.storage import open_bytes
from .options import ImageAnalysisOptions
from .paths import check_store
from .runners import DATAFLOW_RUNNER
from .workers import share_at_start

ENDPOINT_VARIABLE, KEY_VARIABLE = "VISION_ENDPOINT", "VISION_KEY"
_KEYS = ("url", "rate", "key_variable", "key_secret", "share")


@dataclass(frozen=True)
class Entry:
    """A resource as it is named, by the flags or in a file."""

    url: str
    rate: float | None = None
    key_variable: str | None = None
    key_secret: str | None = None
    share: str | None = None


def entries(flags: ImageAnalysisOptions, calling: bool = True) -> list[Entry]:
    """The resources that `--endpoint` names; one without a URL where it names none and nothing is to be called.

    Raises:
      ConfigurationError: it names none, or a file that cannot be read as such.
    """
    given = flags.endpoint or os.environ.get(ENDPOINT_VARIABLE, "")
    if not given and calling:
        raise ConfigurationError(
            "no endpoint",
            f"it was looked for in --endpoint and in the environment variable {ENDPOINT_VARIABLE}",
            "set one of them, for example to https://NAME.cognitiveservices.azure.com",
        )
    if not given.endswith((".yaml", ".yml")):
        if flags.requests_per_second is not None:
            check_positive("requests_per_second", flags.requests_per_second, MAX_RATE, "leave it out to find the limit")
        return [Entry(given, flags.requests_per_second)]
    if flags.requests_per_second is not None:
        raise ConfigurationError(
            f"requests_per_second {flags.requests_per_second:g}",
            f"each resource of {given} has a rate of its own",
            f"leave it out, and name the rates in the file, as `rate: {flags.requests_per_second:g}`",
        )
    return _read(given)


def whole_rate(named: list[Entry]) -> float | None:
    """Calls per second of all resources together; None where that of one is to be found."""
    rates = [entry.rate for entry in named if entry.rate is not None]
    return sum(rates) if len(rates) == len(named) else None


def resources(
    flags: ImageAnalysisOptions, named: list[Entry], processes: int | None, runner: str, options: PipelineOptions
) -> tuple[Resource, ...]:
    """What is called, with credentials, and the share of one of `processes` at the start.

    Raises:
      ConfigurationError: an endpoint, a key or a folder that cannot be.
    """
    return tuple(_resource(flags, entry, processes, runner, options) for entry in named)


def _resource(
    flags: ImageAnalysisOptions, entry: Entry, processes: int | None, runner: str, options: PipelineOptions
) -> Resource:
    endpoint = check_endpoint(entry.url, flags.allow_insecure_endpoint)
    if entry.share is not None:
        check_store(entry.share, "share", options)
        if entry.rate is None:
            raise ConfigurationError(f"share {entry.share!r}", "jobs share a rate", f"name the rate of {endpoint}")
    return Resource(
        endpoint,
        _credential(flags, entry, endpoint, runner),
        requests_per_second=entry.rate,
        process_share=share_at_start(entry.rate, processes),
        share=entry.share,
    )


def _credential(flags: ImageAnalysisOptions, entry: Entry, endpoint: str, runner: str) -> Credential:
    _check_auth(flags, entry)
    if flags.auth == "entra":
        if runner != DATAFLOW_RUNNER:
            check_entra_is_installed()
        return EntraToken()
    key = _key(entry.key_secret or (None if entry.key_variable else flags.key_secret), entry.key_variable, runner)
    if flags.auth == "token":
        return IssuedToken(key, flags.token_issuer or endpoint, flags.allow_insecure_endpoint)
    return key


def _check_auth(flags: ImageAnalysisOptions, entry: Entry) -> None:
    """Refuses what the kind of `--auth` would not look at."""
    key = entry.key_secret or entry.key_variable or flags.key_secret
    if flags.auth == "entra" and key:
        name = "key_secret" if key == flags.key_secret else "a key in the file of resources"
        raise ConfigurationError(f"{name} with --auth entra", "a token is used, and no key", "leave one of them out")
    if flags.auth != "token" and flags.token_issuer:
        rule = "a token is asked for with --auth token only"
        raise ConfigurationError(f"token_issuer {flags.token_issuer!r}", rule, "leave it out, or use --auth token")


def _key(secret: str | None, variable: str | None, runner: str) -> EnvironmentKey | SecretManagerKey:
    if secret:
        return SecretManagerKey(secret)
    name = check_variable(variable or KEY_VARIABLE)
    if runner == DATAFLOW_RUNNER:
        raise ConfigurationError(
            "no key for the workers",
            f"they do not get this machine's environment, so not its {name}",
            "name a Secret Manager secret with --key_secret, or use --auth entra",
        )
    if not os.environ.get(name, "").strip():
        raise ConfigurationError(
            "no key",
            f"there is none in the environment variable {name}, and --key_secret is not set",
            f"export {name}, or name a Secret Manager secret with --key_secret, or use --auth entra",
        )
    return EnvironmentKey(name)


def _read(path: str) -> list[Entry]:
    try:
        with open_bytes(path) as file:
            listed = yaml.safe_load(file.read(1_000_000))
    except OSError as error:
        rule = f"it cannot be read: {error.strerror or error}"
        raise ConfigurationError(f"endpoint {path!r}", rule, "check the path") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        rule = f"it cannot be read: {_place_of(error)}"
        raise ConfigurationError(f"endpoint {path!r}", rule, "correct the file") from None
    if not isinstance(listed, list) or not listed:
        raise ConfigurationError(
            f"endpoint {path!r}", "it is a list of resources", "begin each with `- url: https://…`"
        )
    found = [_entry(path, item) for item in listed]
    urls = [entry.url for entry in found]
    if twice := [url for url in urls if urls.count(url) > 1]:
        raise ConfigurationError(f"{path}: url {twice[0]!r}", "each resource is named once", "remove one of them")
    return found


def _entry(path: str, item: Any) -> Entry:
    if not isinstance(item, dict) or "url" not in item or set(item) - set(_KEYS):
        raise ConfigurationError(
            f"{path}: {_shown(item)}", f"a resource has a url, and may have {', '.join(_KEYS[1:])}", "correct the file"
        )
    for name in ("url", "key_variable", "key_secret", "share"):
        if not isinstance(item.get(name), str | None):
            raise ConfigurationError(f"{path}: {name}", "it is a text", "put it into quotes")
    if item.get("rate") is not None:
        check_type(f"{path}: rate", item["rate"], (int, float), "use a number, as 20")
        check_positive(f"{path}: rate", item["rate"], MAX_RATE, "leave it out to find the limit")
    return Entry(**item)


def _place_of(error: Exception) -> str:
    """Where a file is no YAML, without a word of it: there may be a key that strayed."""
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1} is no YAML" if mark else type(error).__name__


def _shown(item: Any) -> str:
    """The names in an item, and no value: it may be a key that strayed."""
    return f"a resource of {', '.join(map(repr, item))}" if isinstance(item, dict) else f"a {type(item).__name__}"
