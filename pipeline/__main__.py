"""The command `image-analysis-beam`: its subcommands, exit codes and last lines."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..transforms.endpoint.errors import ConfigurationError

USAGE = """usage: image-analysis-beam COMMAND [flags]

commands:
  run       analyze images and write tables
  show      print the tables of the last run, a few rows of each
  emulator  serve the endpoint on this machine, for trying and testing

`image-analysis-beam COMMAND --help` lists the flags of a command.
"""
BAD_CONFIGURATION = 2


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    command = _commands().get(arguments[0]) if arguments else None
    if command is None:
        asked_for_help = arguments[:1] in (["--help"], ["-h"], ["help"])
        print(USAGE, end="", file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else BAD_CONFIGURATION
    try:
        return command(arguments[1:])
    except ConfigurationError as error:
        print(f"image-analysis-beam: {error}", file=sys.stderr)
        return BAD_CONFIGURATION


def _commands() -> dict[str, Callable[[list[str]], int]]:
    return {"run": _run, "show": _show, "emulator": _emulator}


def _run(argv: list[str]) -> int:
    from .run import run

    return run(argv)


def _show(argv: list[str]) -> int:
    from .show import main as show

    return show(argv)


def _emulator(argv: list[str]) -> int:
    from ..emulator.cli import main as serve

    return serve(argv)


if __name__ == "__main__":
    sys.exit(main())
