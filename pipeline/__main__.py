"""The command `image-analysis-beam`: its subcommands and exit codes."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import nullcontext
from difflib import get_close_matches
from importlib import import_module

from image_analysis_beam import __version__

from .stopping import SIGNALS

BAD_CONFIGURATION = 2
COMMANDS = {
    # name: (module with `main(argv) -> exit code`, what it does)
    "run": (".run", "analyze images and write tables"),
    "plan": (".plan", "what a run would call, skip and cost; no call"),
    "doctor": (".doctor", "check key, endpoint, lists and output, for free"),
    "reflatten": (".reflatten", "rebuild section tables from stored answers"),
    "report": (".report", "write the HTML report of an output folder"),
    "sql": (".sql", "ask in SQL: newest answers, failures, cost"),
    "show": (".show", "the runs, some rows, or all about one image"),
    "emulator": ("..emulator.cli", "serve the endpoint here, to try and to test"),
}


def main(argv: list[str] | None = None) -> int:
    """Runs a subcommand; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] in (["--help"], ["-h"], ["help"]):
        return _print(usage())
    if arguments[:1] in (["--version"], ["-V"]):
        return _print(f"image-analysis-beam {__version__}")
    if not arguments:
        print(usage(), file=sys.stderr)
        return BAD_CONFIGURATION
    if arguments[0] not in COMMANDS:
        from ..transforms.endpoint.redaction import scrub
        from .troubleshooting import with_link

        near = get_close_matches(arguments[0], COMMANDS, n=1)
        fix = f"did you mean {near[0]}?" if near else "see --help"
        line = f"image-analysis-beam: command {scrub(arguments[0], '')!r}: known are {', '.join(COMMANDS)}; {fix}"
        print(with_link(line, "commands-and-flags"), file=sys.stderr)
        return BAD_CONFIGURATION
    is_part = argv is not None
    with nullcontext() if arguments[0] == "emulator" else SIGNALS.taken(is_part):
        code = _run(arguments[0], arguments[1:], is_part)
        return code if is_part or arguments[0] == "emulator" else SIGNALS.stay(code)


def _run(command: str, arguments: list[str], is_part: bool) -> int:
    # Slow, as what they are part of: a signal may come meanwhile.
    from ..transforms.endpoint.errors import ConfigurationError
    from ..transforms.ledger.start import Owned
    from . import failures
    from .arguments import check_encoding
    from .temporary import temporary_files
    from .terminal import NotPrinted, say
    from .troubleshooting import EXIT_CODES, entry_of_configuration, entry_of_storage, with_link

    failures.hush()
    try:
        check_encoding(arguments)
        with nullcontext() if command == "emulator" else temporary_files():
            module, _ = COMMANDS[command]
            begin = import_module(module, __package__).main
            if not is_part:
                gc.freeze()  # or the collector stops all calls for a tenth of a second, to go through what is imported
            return int(begin(arguments))
    except SystemExit as end:  # of a help that was printed
        return int(end.code or 0)
    except ConfigurationError as error:
        say(with_link(f"image-analysis-beam: {error}", entry_of_configuration(str(error))))
    except Owned as error:
        say(with_link(f"image-analysis-beam: {error}", EXIT_CODES[failures.OWNED]))
        return failures.OWNED
    except NotPrinted as error:
        say(f"image-analysis-beam: {error}; send standard output somewhere that takes it")
    except (*failures.STORAGE_ERRORS, RuntimeError) as error:  # the latter of a pipeline
        if message := failures.configuration_error(error):
            say(with_link(f"image-analysis-beam: {message}", entry_of_configuration(message)))
        elif what := failures.storage_failure(error):
            fix = failures.fix_of(what)
            line = f"image-analysis-beam: files cannot be read or written ({what}); {fix}"
            say(with_link(line, entry_of_storage(fix)))
        else:
            raise
    return BAD_CONFIGURATION


def _print(text: str) -> int:
    """Without the slow imports of `terminal`."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is tried again at the end
        if not isinstance(error, BrokenPipeError):
            print(f"image-analysis-beam: the help could not be printed ({error.strerror})", file=sys.stderr)
            return BAD_CONFIGURATION
    return 0


def usage() -> str:
    """The list of commands."""
    lines = [f"  {name:<10} {does}" for name, (_, does) in COMMANDS.items()]
    end = "COMMAND --help lists its flags. Also: --version."
    return "\n".join(["usage: image-analysis-beam COMMAND [flags]", "", "commands:", *lines, "", end])


if __name__ == "__main__":
    sys.exit(main())
