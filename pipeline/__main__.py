"""The command `image-analysis-beam`: its subcommands and exit codes."""

from __future__ import annotations

import sys
from importlib import import_module

from ..transforms.endpoint.errors import ConfigurationError

BAD_CONFIGURATION = 2
COMMANDS = {
    # name: (module with `main(argv) -> exit code`, what it does)
    "run": (".run", "analyze images and write tables"),
    "plan": (".plan", "say what a run would call, skip and cost; calls nothing"),
    "reflatten": (".reflatten", "rebuild the section tables from stored answers; calls nothing"),
    "report": (".report", "write the HTML report of an output folder"),
    "show": (".show", "print the tables of the last run, a few rows of each"),
    "emulator": ("..emulator.cli", "serve the endpoint on this machine, for trying and testing"),
}


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] not in COMMANDS:
        asked_for_help = arguments[:1] in (["--help"], ["-h"], ["help"])
        print(usage(), file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else BAD_CONFIGURATION
    module, _ = COMMANDS[arguments[0]]
    try:
        return int(import_module(module, __package__).main(arguments[1:]))
    except ConfigurationError as error:
        print(f"image-analysis-beam: {error}", file=sys.stderr)
        return BAD_CONFIGURATION


def usage() -> str:
    """The list of commands."""
    lines = [f"  {name:<10} {does}" for name, (_, does) in COMMANDS.items()]
    return "\n".join(
        ["usage: image-analysis-beam COMMAND [flags]", "", "commands:", *lines, "", "COMMAND --help lists its flags."]
    )


if __name__ == "__main__":
    sys.exit(main())
