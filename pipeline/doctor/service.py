"""The endpoint, for free: a question without an image is refused, with a wrong key otherwise than with a right one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from ...transforms.endpoint.client import Client, NoAnswer, NotSent, Reply
from ...transforms.endpoint.faults import OBSTACLES, classify
from ...transforms.endpoint.headers import http_date
from ...transforms.endpoint.kept_secret import CredentialError
from ...transforms.endpoint.redaction import scrub
from ...transforms.endpoint.request import PREVIEW_VERSIONS, AnalyzeRequest
from ...transforms.endpoint.resource import Resource
from ...transforms.endpoint.settings import CallSettings
from ..troubleshooting import CLOCK
from .findings import Finding, of_fault

# Where captions are made, as the service's pages list them.
CAPTION_REGIONS = (
    "East US",
    "West US",
    "France Central",
    "North Europe",
    "West Europe",
    "Southeast Asia",
    "East Asia",
    "Korea Central",
)
AZURE = (".cognitiveservices.azure.com", ".api.cognitive.microsoft.com")
_CAPTIONS = {"caption", "denseCaptions"}
_CLOCK_SECONDS = 300.0
_REFUSED = (400, 404, 405, 429)  # of a question without an image, where all is well


def knock_at(resource: Resource, request: AnalyzeRequest, settings: CallSettings) -> Iterator[Finding]:
    """Findings about one resource: version, region, the way to it, key, clock. What hangs on a bad one is left out."""
    yield from _static(resource.endpoint, request)
    try:
        headers = resource.credential.headers()
    except CredentialError as error:
        yield of_fault("key", "no_credential", str(error))
        return
    client = Client(resource.endpoint, request, settings.timeouts, 1)
    begun = time.monotonic()
    try:
        reply = client.knock(headers, begun + settings.timeouts.connect + settings.timeouts.total)
    except NotSent as error:
        yield of_fault("connection", OBSTACLES.get(error.kind, "unreachable"), f"{resource.endpoint}: {error}")
        return
    except NoAnswer as error:
        yield of_fault("connection", "unanswered", f"{resource.endpoint}: {error}")
        return
    finally:
        client.close()
    yield from _read(resource.endpoint, settings, reply, (time.monotonic() - begun) * 1000)


def _static(endpoint: str, request: AnalyzeRequest) -> Iterator[Finding]:
    """What Azure's host names tell without a question."""
    host = urlsplit(endpoint).hostname or ""
    if not host.endswith(AZURE):
        return
    if request.api_version in PREVIEW_VERSIONS:
        yield of_fault("version", "retired_version", f"{request.api_version} was retired on 2025-03-31")
    regions = {name.replace(" ", "").lower() for name in CAPTION_REGIONS}
    asked = sorted(_CAPTIONS.intersection(request.features))
    region = host.partition(".")[0]
    if host.endswith(AZURE[1]) and asked and region not in regions:
        fix = f"leave them out, or use a resource in one of {', '.join(CAPTION_REGIONS)}"
        yield of_fault("region", "rejected_request", f"{', '.join(asked)}: not made in {region}")._replace(fix=fix)


def _read(endpoint: str, settings: CallSettings, reply: Reply, milliseconds: float) -> Iterator[Finding]:
    verdict = classify(reply, custom_model=False, max_wait=settings.max_wait, now=time.time())
    name, message = verdict.fault.name if verdict.fault else "", scrub(verdict.message, "")
    is_key = name in ("unauthorized", "quota_spent")
    if not is_key and (reply.status not in _REFUSED or name == "wrong_scheme" or not _is_of_azure(reply)):
        fault = name if name in ("wrong_scheme", "service_error", "throttled") else "unknown_endpoint"
        said = message or f"HTTP {reply.status} to a question without an image"
        yield of_fault("connection", fault, f"{endpoint}: {said}")
        return
    secure = "TLS, certificate trusted" if endpoint.startswith("https") else "plain http"
    way = f"through the proxy {_host(proxy)}" if (proxy := _proxy(endpoint)) else "directly"
    yield Finding("connection", True, f"{endpoint} answers {way} in {milliseconds:.0f} ms ({secure})")
    if is_key:
        yield of_fault("key", name, message)
    else:
        yield Finding("key", True, "accepted; a question without an image was refused, as it should be")
    yield from _clock(reply.headers.get("Date", ""))


def _is_of_azure(reply: Reply) -> bool:
    """Whether a refusal has the form of the service's or its gateway's."""
    try:
        told = json.loads(reply.body)
    except ValueError:
        return False
    return isinstance(told, dict) and not {"error", "statusCode", "code"}.isdisjoint(told)


def _clock(date: str) -> Iterator[Finding]:
    now = time.time()
    if (theirs := http_date(date, now)) is None:
        return
    ahead = now - theirs
    if abs(ahead) <= _CLOCK_SECONDS:
        yield Finding("clock", True, "within minutes of the service's")
        return
    where = "ahead of" if ahead > 0 else "behind"
    said = f"this machine's clock is {abs(ahead) / 60:.0f} minutes {where} the service's"
    fix = "set it (timedatectl set-ntp true): tokens and signed URLs hang on it"
    yield Finding("clock", False, said, fix, CLOCK)


def _proxy(endpoint: str) -> str:
    return str(get_environ_proxies(endpoint).get(endpoint.partition(":")[0], ""))


def _host(proxy: str) -> str:
    """Without user and password."""
    return proxy.rpartition("@")[2].rpartition("//")[2]
