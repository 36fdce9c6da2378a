"""What a run would cost: transactions by feature, times a price per thousand.

The built-in prices are indicative (one transaction per image and feature, list prices of the standard tier). Whoever
has other terms puts them into a JSON file: `{"currency": "EUR", "caption": 1.2, …, "custom_model": 2.0}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..transforms import storage
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.endpoint.request import FEATURES, AnalyzeRequest

CUSTOM_MODEL = "custom_model"
INDICATIVE = {
    "caption": 1.5,
    "denseCaptions": 1.5,
    "read": 1.5,
    "tags": 1.0,
    "objects": 1.0,
    "people": 1.0,
    "smartCrops": 1.0,
    CUSTOM_MODEL: 1.0,
}


@dataclass(frozen=True)
class Prices:
    """Prices per 1 000 transactions, by feature."""

    per_thousand: dict[str, float]
    currency: str = "USD"
    source: str = "indicative prices"

    def cost(self, request: AnalyzeRequest, images: int) -> float:
        """What asking this of so many images costs."""
        return round(images * sum(self.per_thousand[name] for name in billed_features(request)) / 1000, 4)


def billed_features(request: AnalyzeRequest) -> tuple[str, ...]:
    """What is billed for one image of a request."""
    return request.features or (CUSTOM_MODEL,)


def read_prices(path: str | None) -> Prices:
    """The prices of a file, over the indicative ones.

    Raises:
      ConfigurationError: the file cannot be read, or names something else than a price.
    """
    if not path:
        return Prices(INDICATIVE)
    try:
        given: dict[str, Any] = storage.read_json(path)
        currency = str(given.pop("currency", "USD"))
        prices = {name: float(price) for name, price in given.items()}
    except (OSError, json.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"prices {path!r}", f"they cannot be read: {error}", 'for example {"caption": 1.5}'
        ) from None
    known = (*FEATURES, CUSTOM_MODEL)
    for name, price in prices.items():
        if name not in known or price < 0:
            raise ConfigurationError(f"prices {path!r}: {name} {price}", f"known are {', '.join(known)}", "correct it")
    return Prices(INDICATIVE | prices, currency, "your prices")
