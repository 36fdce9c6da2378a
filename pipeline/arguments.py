"""What all commands do with their arguments, without the imports that the flags of a job take."""

from __future__ import annotations

import argparse

from ..transforms.endpoint.errors import ConfigurationError


def check_encoding(argv: list[str]) -> None:
    """Refuses what is no text.

    Raises:
      ConfigurationError: an argument is not UTF-8.
    """
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"argument {argument}", "it is not UTF-8", "rename what it names, or set LC_ALL to a UTF-8 locale"
            ) from None


class Parser(argparse.ArgumentParser):
    """Errors are exceptions: one line, no usage block."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ConfigurationError(message, "see --help for what each flag takes", "correct the flag")
