"""What `run` asks before anything else, for free: whether its keys are refused."""

from __future__ import annotations

import time
from functools import partial

from ..transforms.endpoint.client import Client, Timeouts
from ..transforms.endpoint.credentials import EnvironmentKey
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.endpoint.faults import FAULTS, classify
from ..transforms.endpoint.redaction import scrub
from ..transforms.endpoint.request import AnalyzeRequest
from ..transforms.endpoint.resource import Resource
from ..transforms.endpoint.secret_services import within
from .workers import ON_THIS_MACHINE

_PATIENCE = 3.0  # seconds for a reply
_REFUSED = 401


def check_keys(resources: tuple[Resource, ...], request: AnalyzeRequest, runner: str) -> None:
    """Stops what is certain to fail. Of several resources, one whose key is not refused is enough to go on.

    Certain is a 401 to a key of this machine's environment, where the calls are made on this machine. Keys and tokens
    that workers get elsewhere, no reply, and every other reply are left to the run.

    Raises:
      ConfigurationError: every key is refused.
    """
    if runner not in ON_THIS_MACHINE:
        return
    said = ""
    for resource in resources:
        refusal = _refusal(resource, request)
        if not refusal:
            return
        said = said or refusal
    if said:
        raise ConfigurationError("unauthorized", f"{said}; nothing was called", FAULTS["unauthorized"].fix)


def _refusal(resource: Resource, request: AnalyzeRequest) -> str:
    """What the resource says to a key that it refuses; empty where it cannot be known."""
    if not isinstance(resource.credential, EnvironmentKey):
        return ""
    client = Client(resource.endpoint, request, Timeouts(_PATIENCE, _PATIENCE, _PATIENCE), 1)
    try:
        headers = resource.credential.headers()
        reply = within(_PATIENCE, partial(client.knock, headers, time.monotonic() + _PATIENCE))
    except Exception:  # the run meets it again, and knows whether it passes
        return ""
    finally:
        client.close()
    if reply.status != _REFUSED:
        return ""
    verdict = classify(reply, custom_model=False, max_wait=_PATIENCE, now=time.time())
    return f"{resource.endpoint} says: {scrub(verdict.message, '').rstrip('.')}"
