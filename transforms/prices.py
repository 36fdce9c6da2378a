"""The price list: a price per thousand transactions of each feature.

The built-in prices are indicative (list prices of the standard tier). Whoever has other terms puts them into a JSON
file: `{"currency": "EUR", "caption": 1.2, …, "custom_model": 2.0}`. Amounts are decimal numbers, rounded once, where
they are shown: so all who add up the same transactions say the same to the cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from .endpoint.errors import ConfigurationError
from .endpoint.request import CUSTOM_MODEL, FEATURES
from .files import storage

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
    """Prices per 1 000 transactions, by feature; the indicative ones where none are given."""

    per_thousand: dict[str, float] = field(default_factory=INDICATIVE.copy)
    currency: str = "USD"
    source: str = "indicative prices"

    def cost(self, transactions: Mapping[str, int]) -> Decimal:
        """What so many transactions of each feature cost."""
        # As text: the number that was written, not the nearest binary one.
        amounts = (number * Decimal(str(self.per_thousand[name])) for name, number in transactions.items())
        return sum(amounts, Decimal()) / 1000


def money(amount: Decimal | float) -> str:
    """An amount to the cent."""
    return f"{Decimal(str(amount)).quantize(Decimal('0.01'), ROUND_HALF_UP):f}"


def read_prices(path: str | None) -> Prices | None:
    """The prices of a file, over the indicative ones; None where no file is named.

    Raises:
      ConfigurationError: the file cannot be read, or names something else than a price.
    """
    if not path:
        return None
    try:
        given: dict[str, Any] = storage.read_json(path)
        currency = str(given.pop("currency", "USD"))
        prices = {name: float(price) for name, price in given.items()}
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"prices {path!r}", f"they cannot be read: {reason}", "check the path") from None
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"prices {path!r}", f"they cannot be read: {error}", 'write, for example, {"caption": 1.5}'
        ) from None
    known = (*FEATURES, CUSTOM_MODEL)
    for name, price in prices.items():
        if name not in known:
            raise ConfigurationError(f"prices {path!r}: {name}", f"known are {', '.join(known)}", "correct it")
        if not 0 <= price < float("inf"):
            raise ConfigurationError(f"prices {path!r}: {name} {price}", "a price is a number from 0", "correct it")
    return Prices(INDICATIVE | prices, currency, "your prices")
