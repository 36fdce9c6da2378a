"""The catalogue of faults: every kind, its parameters with defaults, and whether the service had done its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from . import errors
from .errors import Refusal
from .limits import THROTTLE_FORMS


@dataclass(frozen=True)
class Kind:
    """`params` maps names to defaults; None stands for an optional number of seconds. `refusal` is the error answered.

    `after_analysis`: the fault spoils an answer that was computed, and so was billed.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refusal: Refusal | None = None
    after_analysis: bool = False


@dataclass
class _Catalogue:
    kinds: dict[str, Kind] = field(default_factory=dict)

    def refusal(self, name: str, refusal: Refusal | None = None, **params: Any) -> None:
        self.kinds[name] = Kind(name, {"retry_after": None, **params}, refusal=refusal)

    def spoiled(self, name: str, **params: Any) -> None:
        self.kinds[name] = Kind(name, params, after_analysis=True)


def _build() -> dict[str, Kind]:
    catalogue = _Catalogue()
    for name, refusal in {
        "bad_url": errors.URL_BADLY_FORMATTED,
        "url_not_accessible": errors.URL_NOT_ACCESSIBLE,
        "image_size": errors.image_size(20 * 2**20),
        "image_dimension": errors.IMAGE_DIMENSION,
        "image_format": errors.IMAGE_FORMAT,
        "image_refused": errors.NOT_SUPPORTED_IMAGE,
        "content_type": errors.content_type("image/svg+xml"),
        "region": errors.region("Caption"),
        "no_features": errors.NO_FEATURES,
        "visual_feature": errors.VISUAL_FEATURE,
        "language": errors.LANGUAGE,
        "aspect_ratio": errors.ASPECT_RATIO,
        "operation_blocked": errors.OPERATION_BLOCKED,
        "unauthorized": errors.UNAUTHORIZED,
        "wrong_tier": errors.WRONG_TIER,
        "no_role": errors.NO_ROLE,
        "network_denied": errors.NETWORK_DENIED,
        "key_disabled": errors.KEY_DISABLED,
        "not_found": errors.NOT_FOUND,
        "request_timeout": errors.TIMED_OUT,
        "gone": errors.GONE,
        "too_large": errors.TOO_LARGE,
        "unsupported_media": errors.UNSUPPORTED_MEDIA,
        "internal": errors.INTERNAL,
        "bad_gateway": errors.BAD_GATEWAY,
        "unavailable": errors.UNAVAILABLE,
        "gateway_timeout": errors.GATEWAY_TIMEOUT,
    }.items():
        catalogue.refusal(name, refusal)
    kinds = catalogue.kinds
    kinds["quota"] = Kind("quota", {"retry_after": 1_296_000, "form": "gateway"}, {"form": ("gateway", "legacy")})
    kinds["throttled"] = Kind("throttled", {"retry_after": 1.0, "form": "both"}, {"form": THROTTLE_FORMS})
    kinds["reset"] = Kind("reset", {"how": "rst", "billed": False}, {"how": ("rst", "close")})
    kinds["stalled"] = Kind("stalled", {"seconds": 3600.0}, after_analysis=True)
    kinds["redirect"] = Kind("redirect", {"location": "http://127.0.0.1:9/elsewhere"})
    catalogue.spoiled("slow", seconds=5.0)
    catalogue.spoiled("reset_midway", how="rst")
    catalogue.spoiled("trickled", bytes_per_second=1.0)
    catalogue.spoiled("short_body", share=0.5)
    for name in ("truncated_json", "html", "wrong_content_type", "no_metadata", "wrong_types", "extra_fields"):
        catalogue.spoiled(name)
    catalogue.spoiled("null_sections")
    catalogue.spoiled("huge", megabytes=8.0)
    return kinds


KINDS: Mapping[str, Kind] = MappingProxyType(_build())
