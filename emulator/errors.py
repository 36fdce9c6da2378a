"""The refusals of the service and of the gateway in front of it, as data: status, code, message, envelope."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

Layer = Literal["gateway", "service"]

ACCESS_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
PROXY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True)
class Refusal:
    """One error answer.

    `layer` decides the header set: the gateway answers before the service has seen the call, with far fewer headers
    and no billing. `inner` is the service's innererror (code, message). `raw` replaces the JSON envelope by
    (content type, text). `headers` are sent besides those of the layer.
    """

    status: int
    code: str
    message: str
    inner: tuple[str, str] | None = None
    layer: Layer = "service"
    reason: str | None = None
    raw: tuple[str, str] | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def billed(self) -> bool:
        """Whether the service meters this answer: it does so for its own 400s."""
        return self.layer == "service" and self.status == 400

    @property
    def content_type(self) -> str:
        if self.raw:
            return self.raw[0]
        return "application/json; charset=utf-8" if self.layer == "service" else "application/json"

    def body(self) -> bytes:
        if self.raw:
            return self.raw[1].encode()
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.inner:
            error["innererror"] = {"code": self.inner[0], "message": self.inner[1]}
        return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()

    def with_header(self, name: str, value: object) -> Refusal:
        return replace(self, headers=(*self.headers, (name, str(value))))


class Refused(Exception):
    """Raised wherever a call is refused; carries the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid(message: str, inner: tuple[str, str] | None = None) -> Refusal:
    return Refusal(400, "InvalidRequest", message, inner)


def bad_query(code: str, message: str) -> Refusal:
    return invalid("Analyze query is invalid.", (code, message))


def gateway(status: int, message: str, code: str | None = None, reason: str | None = None) -> Refusal:
    return Refusal(status, code or str(status), message, layer="gateway", reason=reason)


URL_BADLY_FORMATTED = invalid("Image URL is badly formatted or not accessible")
URL_NOT_ACCESSIBLE = invalid("The provided image url is not accessible.")
IMAGE_DIMENSION = invalid("The image dimension is not allowed to be smaller than 50 and larger than 16000.")
IMAGE_FORMAT = invalid("Image format is not valid", ("InvalidImageFormat", "Image format is not valid"))
NO_FEATURES = invalid("Either 'features' or 'model-name' needs to be specified in the query parameter.")
VISUAL_FEATURE = bad_query("NotSupportedVisualFeature", "Specified feature type is not valid")
LANGUAGE = bad_query("NotSupportedLanguage", "The input language is not supported")
ASPECT_RATIO = bad_query("BadArgument", "'smartcrops-aspect-ratios' aspect ratio is not in allowed range [0.75 to 1.8]")
OPERATION_BLOCKED = Refusal(400, "OperationBlocked", "The operation is blocked for this resource.")
NOT_SUPPORTED_IMAGE = invalid("The image is not supported", ("NotSupportedImage", "The image is not supported"))
VERSION_MISSING = Refusal(400, "ApiVersionUnspecified", "An API version is required, but was not specified.")

UNAUTHORIZED = gateway(401, ACCESS_DENIED, reason="PermissionDenied")
WRONG_TIER = gateway(
    401,
    "The Analyze Operation under Computer Vision APIs (2023-10-01) is not supported with the current subscription key "
    "and pricing tier OpenAI.S0.",
    reason="Access Denied",
).with_header(
    "WWW-Authenticate",
    'AzureApiManagementKey realm="https://emulator/computervision",name="Ocp-Apim-Subscription-Key",type="header"',
)
NO_ROLE = gateway(401, "Principal does not have access to API/Operation.", code="PermissionDenied")
NETWORK_DENIED = gateway(403, "Access denied due to Virtual Network/Firewall rules.")
KEY_DISABLED = gateway(
    403, "Key based authentication is disabled for this resource.", code="AuthenticationTypeDisabled"
)
NOT_FOUND = gateway(404, "Resource not found")
TIMED_OUT = gateway(408, "The request timed out.")
GONE = gateway(410, "The requested API version has been retired and is no longer available.")
TOO_LARGE = gateway(413, "Request body is too large.")
UNSUPPORTED_MEDIA = gateway(415, "Unsupported media type.")
INTERNAL = Refusal(500, "InternalServerError", "Internal server error.")
BAD_GATEWAY = Refusal(502, "502", "Bad Gateway", layer="gateway", raw=("text/html; charset=utf-8", PROXY_PAGE))
UNAVAILABLE = Refusal(503, "ServiceUnavailable", "The service is unavailable.")
GATEWAY_TIMEOUT = gateway(504, "The gateway timed out waiting for the service.")


def image_size(limit: int) -> Refusal:
    return invalid(f"The image size is not allowed to be zero or larger than {limit} bytes")


def content_type(given: str) -> Refusal:
    return invalid(f"The provided image content type {given} is not supported")


def region(feature: str) -> Refusal:
    """`feature` in the spelling of the message, e.g. Caption."""
    return invalid(f"The feature '{feature}' is not supported in this region")


def version_unknown(version: str) -> Refusal:
    message = f"The HTTP resource that matches the request URI does not support the API version '{version}'."
    return Refusal(400, "UnsupportedApiVersion", message)


def quota(form: str, retry_after: int) -> Refusal:
    """403 when the calls of the tier are used up; `form` is `gateway` (error envelope) or `legacy` (flat)."""
    days = -(-retry_after // 86_400)
    message = (
        f"Out of call volume quota for ComputerVision F0 pricing tier. Please retry after {days} days. "
        "To increase your call volume switch to a paid tier."
    )
    refusal = gateway(403, message).with_header("Retry-After", retry_after)
    if form == "gateway":
        return refusal
    hours, rest = divmod(retry_after % 86_400, 3600)
    left = f"{retry_after // 86_400}.{hours:02}:{rest // 60:02}:{rest % 60:02}"
    flat = {"statusCode": 403, "message": f"Out of call volume quota. Quota will be replenished in {left}."}
    return replace(refusal, raw=("application/json", json.dumps(flat)))
