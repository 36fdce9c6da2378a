"""The exceptions of this package that a caller can meet: configuration only.

What happens to an image is never an exception; it is an outcome (see `call.py`).
"""

from .redaction import scrub

MANY = 10**12  # more images than anybody has


class ConfigurationError(ValueError):
    """A setting that cannot work. The message names the value, without the secrets of a URL, the rule and the fix."""

    def __init__(self, value: str, rule: str, fix: str) -> None:
        value, rule = scrub(value, ""), scrub(rule, "")
        super().__init__(f"{value}: {rule}; {fix}")
        self.value, self.rule, self.fix = value, rule, fix


def check_type(name: str, value: object, types: type | tuple[type, ...], fix: str) -> None:
    """Refuses what is of another type than an argument takes; a bool is no number. What may be a secret is not shown.

    Raises:
      ConfigurationError: it is.
    """
    allowed = types if isinstance(types, tuple) else (types,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in allowed)
        given = f"of type {type(value).__name__}" if name == "credential" else _short(value)
        raise ConfigurationError(f"{name} {given}", f"it is of type {wanted}", fix)


def check_whole(name: str, value: int, least: int, most: int, fix: str) -> None:
    """Refuses a whole number that is out of its range.

    Raises:
      ConfigurationError: it is.
    """
    if not least <= value <= most:
        raise ConfigurationError(f"{name} {value}", f"it is at least {least} and at most {most}", fix)


def check_positive(name: str, value: float, most: float, fix: str) -> None:
    """Refuses a number that is not above 0, is not a number, or is too large.

    Raises:
      ConfigurationError: it is.
    """
    if not 0 < value <= most:
        raise ConfigurationError(f"{name} {value}", f"it is a number above 0 and at most {most:.12g}", fix)


def check_amount(name: str, value: float, most: float, fix: str) -> None:
    """Refuses a number that is below 0, is not a number, or is too large.

    Raises:
      ConfigurationError: it is.
    """
    if not 0 <= value <= most:
        raise ConfigurationError(f"{name} {value}", f"it is a number from 0 to {most:.15g}", fix)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
