"""`--call`: one paid call for each feature, on a small picture that is made here."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageDraw

from ...transforms.endpoint.client import Client, NoAnswer, NotSent, Reply
from ...transforms.endpoint.faults import OBSTACLES, classify
from ...transforms.endpoint.kept_secret import CredentialError
from ...transforms.endpoint.redaction import scrub
from ...transforms.endpoint.request import AnalyzeRequest
from ...transforms.endpoint.resource import Resource
from ...transforms.endpoint.settings import CallSettings
from ...transforms.endpoint.settle import billed_units
from .findings import Finding, of_fault


def call_each(resource: Resource, request: AnalyzeRequest, settings: CallSettings) -> Iterator[Finding]:
    """A finding for each feature, or for the custom model: latency, region, version of the model, what was billed."""
    for asked in [request.narrowed([name]) for name in request.features] or [request]:
        yield _call(resource, asked, settings)


def _call(resource: Resource, request: AnalyzeRequest, settings: CallSettings) -> Finding:
    check = f"call {request.model_name or ','.join(request.features)}"
    try:
        headers = {**resource.credential.headers(), "Content-Type": "application/octet-stream"}
    except CredentialError as error:
        return of_fault(check, "no_credential", str(error))
    client = Client(resource.endpoint, request, settings.timeouts, 1)
    begun = time.monotonic()
    result: Reply | NotSent | NoAnswer
    try:
        result = client.post(picture(), headers, begun + settings.call_deadline)
    except (NotSent, NoAnswer) as error:
        result = error
    finally:
        client.close()
    milliseconds = (time.monotonic() - begun) * 1000
    verdict = classify(result, custom_model=bool(request.model_name), max_wait=settings.max_wait, now=time.time())
    if verdict.fault is not None:
        name = OBSTACLES.get(result.kind, verdict.fault.name) if isinstance(result, NotSent) else verdict.fault.name
        return of_fault(check, name, scrub(verdict.message, ""))
    assert isinstance(result, Reply)
    units = billed_units(result)
    billed = "the service does not say what it billed" if units is None else f"billed {units}"
    return Finding(check, True, f"{milliseconds:.0f} ms, {_where(result)}, {billed}")


def _where(reply: Reply) -> str:
    answer: dict[str, Any] = json.loads(reply.body)
    return f"{reply.headers.get('x-ms-region', 'region not told')}, model {answer.get('modelVersion', 'not told')}"


def picture() -> bytes:
    """A PNG of 160 x 120 pixels: a red disc, a blue square and a word."""
    image = Image.new("RGB", (160, 120), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((10, 10, 70, 70), fill="red")
    draw.rectangle((90, 20, 150, 80), fill="blue")
    draw.text((20, 85), "BEAM", fill="black")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
