"""The request: what is asked of every image, validated when it is built and immutable afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

from .errors import ConfigurationError, check_type
from .pictures import FORMATS

FEATURES = ("caption", "denseCaptions", "tags", "objects", "people", "smartCrops", "read")
CUSTOM_MODEL = "custom_model"
GA_VERSIONS = ("2023-10-01", "2024-02-01")
PREVIEW_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")
DEFAULT_FEATURES_VERSION = "2024-02-01"
DEFAULT_MODEL_VERSION = "2023-02-01-preview"
MIN_ASPECT_RATIO, MAX_ASPECT_RATIO = 0.75, 1.8
MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_CUSTOM_IMAGE_BYTES = 6 * 1024 * 1024
CUSTOM_IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "BMP")

# The languages of `tags`; captions speak English only.
# fmt: off
LANGUAGES = frozenset(
    {
        "ar", "az", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "eu", "fi", "fr",
        "ga", "gl", "he", "hi", "hr", "hu", "id", "it", "ja", "kk", "ko", "lt", "lv", "mk", "ms", "nb",
        "nl", "pl", "prs", "pt", "pt-BR", "pt-PT", "ro", "ru", "sk", "sl", "sr-Cryl", "sr-Latn", "sv", "th",
        "tr", "uk", "vi", "zh", "zh-Hans", "zh-Hant",
    }
)
# fmt: on
_CAPTIONS = frozenset({"caption", "denseCaptions"})
# Which features' answers an option changes, where it does not change all of them.
_BEARS_ON = {
    "language": frozenset({"tags"}),
    "gender_neutral_caption": _CAPTIONS,
    "smartcrops_aspect_ratios": frozenset({"smartCrops"}),
}
_FEATURE_OF = {name.lower(): name for name in FEATURES} | {"densecaption": "denseCaptions"}
_MODEL_VERSION = re.compile(r"(latest|\d{4}-\d{2}-\d{2})(-preview)?")


@dataclass(frozen=True)
class AnalyzeRequest:
    """What to ask of every image: either `features` or `model_name`.

    Args:
      features: names of `FEATURES` in any case, as a list or one comma-separated text; kept as a tuple, in their order.
      model_name: a custom model, instead of features. Preview api-versions only.
      language: of tags; captions are always English.
      gender_neutral_caption: "person" for "man" and "woman" in captions.
      smartcrops_aspect_ratios: width / height of the wanted crops, each from 0.75 to 1.8.
      api_version: empty for the default of the kind of request.
      model_version: `latest`, or `YYYY-MM-DD` with or without `-preview`.

    Raises:
      ConfigurationError: the service would refuse this request, or ignore a part of it.
    """

    features: Sequence[str] = ()
    model_name: str = ""
    language: str = "en"
    gender_neutral_caption: bool = False
    smartcrops_aspect_ratios: Sequence[float] | str = ()
    api_version: str = ""
    model_version: str = "latest"

    def __post_init__(self) -> None:
        self._check_types()
        set_field = object.__setattr__
        set_field(self, "features", _features(self.features))
        set_field(self, "smartcrops_aspect_ratios", _ratios(self.smartcrops_aspect_ratios))
        default = DEFAULT_MODEL_VERSION if self.model_name else DEFAULT_FEATURES_VERSION
        set_field(self, "api_version", self.api_version or default)
        self._check_kind()
        self._check_versions()
        self._check_language()
        self._check_used()

    @property
    def max_image_bytes(self) -> int:
        """The largest image the service takes: 20 MiB, 6 MiB for a custom model."""
        return MAX_CUSTOM_IMAGE_BYTES if self.model_name else MAX_IMAGE_BYTES

    @property
    def image_formats(self) -> tuple[str, ...]:
        """The formats that the service takes, by Pillow's names."""
        return CUSTOM_IMAGE_FORMATS if self.model_name else FORMATS

    @property
    def billed_features(self) -> tuple[str, ...]:
        """What the price list counts in a call: a transaction for each."""
        return tuple(self.features) or (CUSTOM_MODEL,)

    def query(self) -> dict[str, str]:
        """The query parameters of the call; defaults are left out."""
        query = {"api-version": self.api_version}
        if self.model_name:
            return query | {"model-name": self.model_name}
        query["features"] = ",".join(self.features)
        if self.language != "en":
            query["language"] = self.language
        if self.gender_neutral_caption:
            query["gender-neutral-caption"] = "true"
        if self.smartcrops_aspect_ratios:
            query["smartcrops-aspect-ratios"] = ",".join(map(repr, self.smartcrops_aspect_ratios))
        if self.model_version != "latest":
            query["model-version"] = self.model_version
        return query

    def narrowed(self, features: Iterable[str]) -> AnalyzeRequest:
        """The request for some of its features: options that do not bear on them have their defaults."""
        asked = frozenset(features)
        defaults = {f.name: f.default for f in fields(self)}
        plain: dict[str, Any] = {name: defaults[name] for name, bears_on in _BEARS_ON.items() if not bears_on & asked}
        return replace(self, features=tuple(asked), **plain)

    def asking(self, asks: str) -> AnalyzeRequest:
        """The request as it is put for an image (`ImageRef.asks`)."""
        return self.narrowed(asks.split(",")) if asks else self

    def _check_kind(self) -> None:
        if self.model_name and self.features:
            raise ConfigurationError(
                f"features {','.join(self.features)!r} and model_name {self.model_name!r}",
                "the service takes either features or a custom model",
                "run once with --features and once with --model_name",
            )
        if not self.model_name and not self.features:
            raise ConfigurationError(
                "neither features nor model_name is set",
                "the service needs one of them",
                f"set --features to some of {','.join(FEATURES)}, or --model_name to a custom model",
            )

    def _check_versions(self) -> None:
        known = GA_VERSIONS + PREVIEW_VERSIONS
        if self.api_version not in known:
            raise ConfigurationError(
                f"api_version {self.api_version!r}",
                f"known versions are {', '.join(known)}",
                f"leave it out, or use {DEFAULT_FEATURES_VERSION!r}",
            )
        if self.model_name and self.api_version in GA_VERSIONS:
            raise ConfigurationError(
                f"model_name {self.model_name!r} with api_version {self.api_version!r}",
                "the GA versions ignore model-name, so the custom model would not be used",
                f"leave api_version out, or use {DEFAULT_MODEL_VERSION!r}",
            )
        if not _MODEL_VERSION.fullmatch(self.model_version):
            raise ConfigurationError(
                f"model_version {self.model_version!r}",
                "it is 'latest', 'YYYY-MM-DD' or 'YYYY-MM-DD-preview'",
                "leave it out for 'latest'",
            )

    def _check_types(self) -> None:
        listed = (str, list, tuple)
        check_type("features", self.features, listed, "for example 'caption,tags'")
        check_type("smartcrops_aspect_ratios", self.smartcrops_aspect_ratios, listed, "for example (0.75, 1.5)")
        check_type("gender_neutral_caption", self.gender_neutral_caption, bool, "use True or False")
        for name in ("model_name", "language", "api_version", "model_version"):
            check_type(name, getattr(self, name), str, "leave it out for the default")

    def _check_language(self) -> None:
        if self.language not in LANGUAGES:
            raise ConfigurationError(
                f"language {self.language!r}",
                f"the service knows {' '.join(sorted(LANGUAGES))}",
                "use one of these codes, or leave it out for 'en'",
            )
        captions = _CAPTIONS.intersection(self.features)
        if self.language != "en" and captions:
            raise ConfigurationError(
                f"language {self.language!r} with {','.join(sorted(captions))}",
                "captions are made in English only",
                "use 'en', or ask for captions in a run of their own",
            )

    def _check_used(self) -> None:
        """Refuses an option that the service would silently ignore."""
        needs: dict[str, frozenset[str]] = {
            **_BEARS_ON,
            "language": frozenset(FEATURES),
            "model_version": frozenset(FEATURES),
        }
        defaults = {field.name: field.default for field in fields(self)}
        for option, features in needs.items():
            value = getattr(self, option)
            if value != defaults[option] and not features.intersection(self.features):
                what = "a custom model" if self.model_name else f"features {','.join(self.features)!r}"
                raise ConfigurationError(
                    f"{option} {value!r} with {what}",
                    "the service would ignore it"
                    + ("" if self.model_name else f"; it belongs to {' or '.join(sorted(features))}"),
                    f"leave --{option} out",
                )


def known_request(record: object) -> AnalyzeRequest | None:
    """The request in a record of a run, of any version; None where there is none that can be asked here."""
    given = record if isinstance(record, Mapping) else {}
    with suppress(ConfigurationError):
        return AnalyzeRequest(**{f.name: given[f.name] for f in fields(AnalyzeRequest) if f.name in given})
    return None


def _features(given: str | Iterable[str]) -> tuple[str, ...]:
    names = given.split(",") if isinstance(given, str) else list(given)
    asked = set()
    for name in names:
        check_type("feature", name, str, f"it is one of {', '.join(FEATURES)}")
    for name in filter(None, (name.strip() for name in names)):
        if name.lower() not in _FEATURE_OF:
            raise ConfigurationError(
                f"feature {name!r}", f"the service knows {', '.join(FEATURES)}", "correct or drop it"
            )
        asked.add(_FEATURE_OF[name.lower()])
    return tuple(name for name in FEATURES if name in asked)


def _ratios(given: str | Iterable[float | str]) -> tuple[float, ...]:
    texts = filter(None, given.split(",")) if isinstance(given, str) else given
    ratios = []
    for text in texts:
        try:
            ratio = float(text)
        except (ValueError, TypeError, OverflowError):
            ratio = float("nan")
        if not MIN_ASPECT_RATIO <= ratio <= MAX_ASPECT_RATIO:
            raise ConfigurationError(
                f"smartcrops_aspect_ratios {text!r}",
                f"a ratio is a number from {MIN_ASPECT_RATIO} to {MAX_ASPECT_RATIO} (width / height)",
                "for example 0.75,1,1.78",
            )
        ratios.append(ratio)
    return tuple(ratios)
