"""The exceptions of this package that a caller can meet: configuration only.

What happens to an image is never an exception; it is an outcome (see `call.py`).
"""


class ConfigurationError(ValueError):
    """A setting that cannot work. The message names the value, the rule and the fix."""

    def __init__(self, value: str, rule: str, fix: str) -> None:
        super().__init__(f"{value}: {rule}; {fix}")
