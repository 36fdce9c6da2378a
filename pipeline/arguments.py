"""What all commands do with their arguments, without the imports that the flags of a job take."""

from __future__ import annotations

import argparse
import shutil
import textwrap

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


def help_width() -> int:
    """Of the lines of a help: those of the terminal, as argparse has them, but a hundred characters are enough."""
    return min(shutil.get_terminal_size().columns, 100) - 2


def wrapped(line: str, indent: int = 0) -> str:
    """A line of a help in as many as it takes."""
    return textwrap.fill(
        line, help_width(), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


class Parser(argparse.ArgumentParser):
    """Errors are exceptions: one line, no usage block."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ConfigurationError(message, "see --help for what each flag takes", "correct the flag")
