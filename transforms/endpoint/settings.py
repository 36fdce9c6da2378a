"""How calls are made: every knob that may change without changing an answer."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from .client import MAX_SECONDS, Timeouts
from .errors import check_positive, check_type, check_whole

MAX_RATE = 1e6  # calls a second: more than any resource bears
_WORST_CASE_BYTES = 20 * 1024 * 1024
# What is beyond these is a slip of the hand, and some of it would end a thread in an overflow.
_WHOLE = {
    "max_in_flight": (1, 10_000),
    "max_bytes_in_flight": (_WORST_CASE_BYTES, 2**50),
    "max_attempts": (1, 1000),
    "ambiguous_retries": (0, 1000),
}
_REAL = {
    "requests_per_second": MAX_RATE,
    "call_deadline": MAX_SECONDS,
    "max_wait": MAX_SECONDS,
    "outage_patience": MAX_SECONDS,
}


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
        check_type("timeouts", self.timeouts, Timeouts, "use Timeouts(connect=10)")
        for name, (least, most) in _WHOLE.items():
            check_type(name, getattr(self, name), int, f"the default is {_default(name)}")
            check_whole(name, getattr(self, name), least, most, f"the default is {_default(name)}")
        for name, limit in _REAL.items():
            value = getattr(self, name)
            may_be = (int, float, type(None)) if name == "requests_per_second" else (int, float)
            check_type(name, value, may_be, f"the default is {_default(name)}")
            if value is not None:
                check_positive(name, value, limit, f"the default is {_default(name)}")


def _default(name: str) -> object:
    return next(f.default for f in fields(CallSettings) if f.name == name)
