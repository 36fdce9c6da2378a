"""The flex template: its `metadata.json`, made from the flags, and the way from its parameters back to flags.

python -m image_analysis_beam.pipeline.template > deploy/metadata.json
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from .flags import add_flags_of_beam
from .options import OTHER_COMMANDS, THIS_MACHINE, flag_groups, full_help

LEFT_OUT = (THIS_MACHINE, OTHER_COMMANDS)  # groups of flags that mean nothing to a job on Dataflow
REQUIRED = ("output",)
NUMBERS = {int: r"^-?[0-9]+$", float: r"^[0-9.]+$"}
NAME = "Image analysis"
DESCRIPTION = (
    "Analyzes images with Azure Image Analysis 4.0 and writes one Parquet table for each section of the answers."
)


def metadata() -> dict[str, Any]:
    """What `metadata.json` holds: every flag of a job on Dataflow, as a parameter of the template."""
    return {"name": NAME, "description": DESCRIPTION, "parameters": [_parameter(flag) for flag in flags()]}


def flags() -> Iterator[argparse.Action]:
    """The flags of a job on Dataflow, in the order of the help."""
    for title, group in flag_groups():
        if title not in LEFT_OUT:
            yield from group


def to_flags(parameters: list[str]) -> list[str]:
    """The command line of `run` for what the template's launcher passes on.

    Parameters are text: a switch comes as `--switch=true` or `--switch=false`, and what was left empty as `--name=`.
    """
    switches = {f"--{flag.dest}" for flag in flags() if flag.nargs == 0} | _switches_of_beam()
    arguments = []
    for parameter in parameters:
        name, given, value = parameter.partition("=")
        if name in switches and value.lower() in ("true", "false"):
            arguments += [name] if value.lower() == "true" else []
        elif value or not given:
            arguments.append(parameter)
    return arguments


def launch() -> int:
    """Runs the job with the parameters of the template; the entry point of the launcher."""
    from .__main__ import main

    sys.argv[1:] = ["run", *to_flags(sys.argv[1:])]
    return main()


def _switches_of_beam() -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    add_flags_of_beam(parser)
    return {name for flag in parser._actions if flag.nargs == 0 for name in flag.option_strings}


def _parameter(flag: argparse.Action) -> dict[str, Any]:
    return {
        "name": flag.dest,
        "label": flag.dest.replace("_", " ").capitalize(),
        "helpText": full_help(flag).replace("may be given more than once", "several are separated by commas"),
        "isOptional": flag.dest not in REQUIRED,
        **_values(flag),
    }


def _values(flag: argparse.Action) -> dict[str, Any]:
    if flag.nargs == 0:
        return {"regexes": ["^(true|false)$"]}
    if flag.choices:
        return {"regexes": [f"^({'|'.join(map(re.escape, flag.choices))})$"]}
    return {"regexes": [NUMBERS[flag.type]]} if flag.type in NUMBERS else {}


if __name__ == "__main__":
    print(json.dumps(metadata(), indent=2))
