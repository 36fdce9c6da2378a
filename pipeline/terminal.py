"""What a command prints: nothing foreign moves the cursor, and nobody who stops reading, or cannot, ends a run."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from tqdm import tqdm

from ..transforms.lists.references import escaped


class NotPrinted(OSError):
    """Results that standard output does not take."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the results could not be printed ({error.strerror or error})")


def printable(text: str) -> str:
    """The text with an escape for each character that does not print; line feeds stay."""
    return "\n".join(map(escaped, text.split("\n")))


def counted(number: int, name: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {name}{'' if number == 1 else 's'}"


def seconds(value: float) -> str:
    """A duration in the unit that reads best."""
    if value == 0:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def out(text: str) -> None:
    """Prints results; nothing more where the reader has gone (`| head`).

    Raises:
      NotPrinted: they cannot be written.
    """
    try:
        _write(sys.stdout, text)
    except OSError as error:
        with suppress(OSError):
            _to_nowhere(sys.stdout)  # what is left in the buffer: it would be tried again at the end of the process
        if not isinstance(error, BrokenPipeError):
            raise NotPrinted(error) from None


def say(text: str) -> None:
    """Prints to stderr, between the redraws of a progress line, if that is possible."""
    with suppress(OSError, ValueError), tqdm.external_write_mode(sys.stderr):
        _write(sys.stderr, text)


def silence() -> None:
    """Nothing more comes on stderr, whoever writes."""
    with suppress(OSError, ValueError, AttributeError):
        _to_nowhere(sys.stderr)


def _to_nowhere(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # closed by who started us
        encoding = getattr(stream, "encoding", None) or "utf-8"  # a program's own stream may have none
        stream.write(printable(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
