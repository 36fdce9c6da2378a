"""Reads and judges the query string of an analyze call."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from . import errors
from .errors import Refusal, Refused

GA_VERSIONS = ("2023-10-01", "2024-02-01")
PREVIEW_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")
GONE_VERSIONS = (
    "4.0-pre1",
    "2022-07-31-preview",
    "2022-10-12-preview",
    "2023-06-01-preview",
    "2023-07-01-preview",
)
FEATURES = ("caption", "denseCaptions", "tags", "objects", "read", "smartCrops", "people")
ENGLISH_ONLY = frozenset({"caption", "denseCaptions"})
GPU_REGIONS = frozenset(
    {
        "east us",
        "west us",
        "france central",
        "north europe",
        "west europe",
        "southeast asia",
        "east asia",
        "korea central",
    }
)
# fmt: off
LANGUAGES = frozenset(
    {
        "ar", "az", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "eu", "fi",
        "fr", "ga", "gl", "he", "hi", "hr", "hu", "id", "it", "ja", "kk", "ko", "lt", "lv", "mk",
        "ms", "nb", "nl", "pl", "prs", "pt-br", "pt", "pt-pt", "ro", "ru", "sk", "sl", "sr-cryl",
        "sr-latn", "sv", "th", "tr", "uk", "vi", "zh", "zh-hans", "zh-hant",
    }
)
# fmt: on
SMALLEST_RATIO, LARGEST_RATIO = 0.75, 1.8
MODEL_VERSION = re.compile(r"(latest|\d{4}-\d{2}-\d{2})(-preview)?")
MODEL_VERSION_FORMAT = (
    "Model version format is invalid. Please use the following format: 'latest' or 'YYYY-MM-DD' or 'YYYY-MM-DD-preview'"
)

_FEATURE_BY_NAME = {name.lower(): name for name in FEATURES}


@dataclass(frozen=True)
class Query:
    """What a call asks for, canonically spelled; hashable, so that it can key the answer cache."""

    version: str
    features: tuple[str, ...] = ()
    model_name: str | None = None
    language: str = "en"
    gender_neutral: bool = False
    ratios: tuple[float, ...] = ()

    @property
    def preview(self) -> bool:
        return self.version in PREVIEW_VERSIONS


def parse_version(pairs: Iterable[tuple[str, str]], retired: bool) -> str:
    """The api-version, if it is one that is served. Raises Refused (400, or 410 for a retired one)."""
    version = _folded(pairs).get("api-version", "").lower()
    if not version:
        raise Refused(errors.VERSION_MISSING)
    if version in GONE_VERSIONS or (retired and version in PREVIEW_VERSIONS):
        raise Refused(errors.GONE)
    if version not in GA_VERSIONS + PREVIEW_VERSIONS:
        raise Refused(errors.version_unknown(version))
    return version


def parse_query(pairs: Iterable[tuple[str, str]], version: str, models: Collection[str], region: str) -> Query:
    """Judges the parameters in the order: features or model, model version, region, language, the rest.

    Parameter names and feature values match whatever their case; unknown parameters are ignored.
    Raises Refused with the documented 400, or 404 for an unknown custom model.
    """
    given = _folded(pairs)
    features = _features(given.get("features", ""))
    model_name = given.get("model-name") if version in PREVIEW_VERSIONS else None
    _check_target(features, model_name or None, models)
    _require(bool(MODEL_VERSION.fullmatch(given.get("model-version") or "latest")), _bad(MODEL_VERSION_FORMAT))
    _check_region(features, region)
    return Query(
        version=version,
        features=features,
        model_name=model_name or None,
        language=_language(given.get("language") or "en", features),
        gender_neutral=_boolean("gender-neutral-caption", given.get("gender-neutral-caption") or "false"),
        ratios=_ratios(given.get("smartcrops-aspect-ratios", "")) if "smartCrops" in features else (),
    )


def _folded(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters by lower-case name; a repeated one is joined by commas."""
    given: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        given[name] = f"{given[name]},{value}" if name in given else value.strip()
    return given


def _require(condition: bool, refusal: Refusal) -> None:
    if not condition:
        raise Refused(refusal)


def _bad(message: str) -> Refusal:
    return errors.bad_query("BadArgument", message)


def _features(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    names = [name.strip().lower() for name in text.split(",")]
    _require("adult" not in names, errors.OPERATION_BLOCKED)
    _require(all(name in _FEATURE_BY_NAME for name in names), errors.VISUAL_FEATURE)
    return tuple(name for name in FEATURES if name.lower() in names)


def _check_target(features: tuple[str, ...], model_name: str | None, models: Collection[str]) -> None:
    _require(bool(features or model_name), errors.NO_FEATURES)
    _require(not (features and model_name), _bad("'features' and 'model-name' cannot be used together"))
    _require(model_name is None or model_name in models, errors.NOT_FOUND)


def _check_region(features: tuple[str, ...], region: str) -> None:
    if region.lower() in GPU_REGIONS:
        return
    for feature in features:
        _require(feature not in ENGLISH_ONLY, errors.region(feature[0].upper() + feature[1:]))


def _language(text: str, features: tuple[str, ...]) -> str:
    language = text.lower()
    _require(language in LANGUAGES, errors.LANGUAGE)
    _require(language == "en" or not ENGLISH_ONLY.intersection(features), errors.LANGUAGE)
    return language


def _boolean(name: str, text: str) -> bool:
    _require(text.lower() in {"true", "false"}, _bad(f"'{name}' must be true or false"))
    return text.lower() == "true"


def _ratios(text: str) -> tuple[float, ...]:
    if not text:
        return ()
    try:
        ratios = tuple(float(item) for item in text.split(","))
    except ValueError:
        raise Refused(errors.ASPECT_RATIO) from None
    inside = all(math.isfinite(r) and SMALLEST_RATIO <= r <= LARGEST_RATIO for r in ratios)
    _require(inside, errors.ASPECT_RATIO)
    return ratios
