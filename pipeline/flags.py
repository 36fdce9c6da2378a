"""From the command line to `PipelineOptions`: unknown flags and secrets are refused, by name."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import re
from collections.abc import Iterator

from apache_beam.options.pipeline_options import PipelineOptions

from ..transforms.endpoint.errors import ConfigurationError
from .arguments import Parser, help_width, wrapped
from .options import ImageAnalysisOptions, full_help, readers, reads
from .terminal import out

_JOB = "--input LIST | --images GLOB  --output FOLDER  --features NAMES | --model_name NAME"
USAGES = {
    "run": f"{_JOB}  [flags]",
    "plan": f"{_JOB}  [--json]  [flags]",
    "doctor": f"{_JOB}  [--call]  [--json]  [flags]",
    "reflatten": "--stored FOLDER --output FOLDER",
}
_SECRET_FLAG = re.compile(r"--(\w*[-_])?(key|password|token|secret)$", re.IGNORECASE)


def parse(argv: list[str], command: str = "run") -> PipelineOptions:
    """The options of a command line.

    Raises:
      ConfigurationError: a flag is unknown, ambiguous or malformed, or would carry a secret.
    """
    _refuse_secrets(argv)
    parser = Parser(
        prog=f"image-analysis-beam {command}",
        usage=wrapped(f"usage: image-analysis-beam {command} {USAGES[command]}", indent=7).removeprefix("usage: "),
        formatter_class=_Help,
        add_help=False,
        allow_abbrev=False,
    )
    ImageAnalysisOptions._add_argparse_args(parser)
    unread = {name: flag for flag in parser._actions if not reads(command, flag.dest) for name in flag.option_strings}
    _print_help_if_asked(parser, argv, list(unread.values()))
    add_flags_of_beam(parser)
    _, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse_unknown(unknown[0], parser)
    for argument in argv:
        if (name := argument.partition("=")[0]) in unread:
            _refuse_unread(name, unread[name].dest, command)
    return PipelineOptions(argv)


def add_flags_of_beam(parser: argparse.ArgumentParser) -> None:
    """Adds all of them, also of its runners and stores; a flag that is there stays."""
    for options in _beam_options():
        options._add_argparse_args(_Lenient(parser))


class _Help(argparse.HelpFormatter):
    """One column for flags that is wide enough for most, as much as a hundred characters for a line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=33, width=help_width())

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return "N" if action.type in (int, float) else "TEXT"


class _Lenient:
    """Adds the flags of Beam's many option classes, of which some share a name."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def add_argument(self, *names: str, **settings: object) -> None:
        with contextlib.suppress(argparse.ArgumentError):
            self._parser.add_argument(*names, **settings)  # type: ignore[arg-type]

    def add_value_provider_argument(self, *names: str, **settings: object) -> None:
        self.add_argument(*names, **settings)


def _print_help_if_asked(parser: argparse.ArgumentParser, argv: list[str], unread: list[argparse.Action]) -> None:
    if "--help" in argv or "-h" in argv:
        for flag in parser._actions:
            flag.help = argparse.SUPPRESS if flag in unread else full_help(flag)
        beam = "Beam's own flags (--runner, --project, --temp_location, …) go through unchanged."
        out(f"{parser.format_help()}\n{wrapped(beam)}")
        raise SystemExit(0)


def _beam_options() -> Iterator[type[PipelineOptions]]:
    pending = list(PipelineOptions.__subclasses__())
    while pending:
        options = pending.pop()
        pending.extend(options.__subclasses__())
        if options is not ImageAnalysisOptions and options.__module__.startswith("apache_beam."):
            yield options


def _refuse_secrets(argv: list[str]) -> None:
    for argument in argv:
        name = argument.partition("=")[0]
        if _SECRET_FLAG.match(name) and name != "--key_secret":
            raise ConfigurationError(
                name,
                "a secret on the command line can be read by every user of this machine",
                "export VISION_KEY, or use --key_secret",
            )


def _refuse_unread(name: str, flag: str, command: str) -> None:
    who = " and ".join(f"`{other}`" for other in readers(flag))
    raise ConfigurationError(name, f"`{command}` does not read it, {who} would", "leave it out")


def _refuse_unknown(argument: str, parser: argparse.ArgumentParser) -> None:
    name = argument.partition("=")[0]
    known = [option for action in parser._actions for option in action.option_strings]
    near = difflib.get_close_matches(name.replace("-", "_").replace("__", "--", 1), known, n=1, cutoff=0.6)
    fix = f"did you mean {near[0]}?" if near else "see --help"
    what = "unknown flag" if name.startswith("-") else "stray argument"
    raise ConfigurationError(f"{what} {name}", "only flags of this job and of Beam are taken", fix)
