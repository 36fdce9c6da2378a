"""How calls are made: every knob that may change without changing an answer."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from .client import Timeouts
from .errors import ConfigurationError

_WORST_CASE_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True)
class CallSettings:
    """The knobs of the calls, of one worker process.

    Args:
      max_in_flight: calls at once.
      max_bytes_in_flight: image bytes held at once, for images that are sent as bytes.
      requests_per_second: this process's share of the rate; None lets it find the limit.
      call_deadline: seconds for one image from its first attempt, over all attempts and waits.
      max_wait: the longest pause in seconds that the service may ask for; more is a spent quota.
      max_attempts: attempts of one image against errors of the service.
      ambiguous_retries: further attempts after one that may have been billed.
      outage_patience: seconds after which an outage ends the run.
      timeouts: of one HTTP exchange.

    Raises:
      ConfigurationError: a number is out of its range.
    """

    max_in_flight: int = 64
    max_bytes_in_flight: int = 512 * 1024 * 1024
    requests_per_second: float | None = None
    call_deadline: float = 300.0
    max_wait: float = 120.0
    max_attempts: int = 4
    ambiguous_retries: int = 1
    outage_patience: float = 600.0
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        least = {
            "max_in_flight": 1,
            "max_bytes_in_flight": _WORST_CASE_BYTES,
            "max_attempts": 1,
            "ambiguous_retries": 0,
        }
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise ConfigurationError(
                    f"{name} {getattr(self, name)}",
                    f"it is at least {minimum}",
                    f"the default is {_default(name)}",
                )
        for name in ("requests_per_second", "call_deadline", "max_wait", "outage_patience"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigurationError(
                    f"{name} {value}", "it is a number above 0", f"the default is {_default(name)}"
                )


def _default(name: str) -> object:
    return next(f.default for f in fields(CallSettings) if f.name == name)
