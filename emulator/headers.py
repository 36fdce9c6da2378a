"""The header sets recorded from the live service: one for answers, one for its refusals, one for the gateway's."""

from __future__ import annotations

import uuid

from .errors import Refusal

SUPPORTED_VERSIONS = (
    "4.0-pre1, 2022-07-31-preview, 2022-10-12-preview, 2023-02-01-preview, 2023-04-01-preview, 2023-06-01-preview, "
    "2023-07-01-preview, 2023-10-01, 2024-02-01"
)
ONE_TRANSACTION = "CognitiveServices.ComputerVision.Transaction=1"


def success_headers(region: str, received_ms: int, processed_ms: int) -> dict[str, str]:
    """Headers of a 200: milliseconds spent getting the image and analysing it; Content-Type included."""
    headers = _service_headers(region, received_ms + processed_ms)
    headers["CSP-Billing-Usage"] = ONE_TRANSACTION
    headers["ms-vision-response-time-input-received"] = str(received_ms)
    headers["ms-vision-response-time-input-processed"] = str(processed_ms)
    return headers


def refusal_headers(refusal: Refusal, region: str, elapsed_ms: int) -> dict[str, str]:
    """Headers of an error answer of either layer."""
    if refusal.layer == "gateway":
        headers = {"Content-Type": refusal.content_type, "apim-request-id": str(uuid.uuid4())}
    else:
        headers = _service_headers(region, elapsed_ms)
        headers["x-ms-error-code"] = refusal.code
        if refusal.billed:
            headers["CSP-Billing-Usage"] = ONE_TRANSACTION
    headers.update(refusal.headers)
    return headers


def _service_headers(region: str, elapsed_ms: int) -> dict[str, str]:
    request_id = str(uuid.uuid4())
    return {
        "Content-Type": "application/json; charset=utf-8",
        "apim-request-id": request_id,
        "request-id": request_id,
        "api-supported-versions": SUPPORTED_VERSIONS,
        "x-ms-region": region,
        "x-envoy-upstream-service-time": str(elapsed_ms),
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
        "X-Content-Type-Options": "nosniff",
    }
