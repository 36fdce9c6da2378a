"""The parts of the handbook that follow from the code: flags from the options, faults from the decision table.

python -m image_analysis_beam.pipeline.documentation [repository]

They stand in `docs/` between `<!-- made: NAME -->` and `<!-- end -->`; a test fails when they are not current.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ..transforms.endpoint.faults import FAULTS, OUTAGE_FAULTS, Fault, Retry
from .options import flag_groups, full_help

_AGAIN = {
    Retry.NEVER: "no",
    Retry.WAIT: "yes, within `--call_deadline`",
    Retry.BACKOFF: "`--max_attempts` in all",
    Retry.AMBIGUOUS: "`--ambiguous_retries` times",
}
_TAKES = {int: " integer", float: " number"}


def flags() -> Iterator[str]:
    """A table of each group of flags."""
    for title, group in flag_groups():
        yield from (f"### {title}", "", "| flag | meaning |", "|---|---|")
        yield from map(_flag, group)
        yield ""


def _flag(flag: argparse.Action) -> str:
    takes = " ".join(f" `{choice}`" for choice in flag.choices) if flag.choices else ""
    kind = next((text for kind, text in _TAKES.items() if flag.type is kind), "")
    return f"| `{flag.option_strings[0]}`{takes or kind} | {full_help(flag)} |"


def faults() -> Iterator[str]:
    """The decision table."""
    yield "| class | what happened | tried again in this run | ends as | what to do |"
    yield "|---|---|---|---|---|"
    for fault in FAULTS.values():
        yield f"| `{fault.name}` | {fault.cause} | {_AGAIN[fault.retry]} | {_end_of(fault)} | {fault.fix} |"


def _end_of(fault: Fault) -> str:
    if fault.systemic:
        return "systemic: deferred"
    if fault.retry is Retry.WAIT:
        return "deferred at the deadline"
    letter = "dead letter, retryable" if fault.retryable else "dead letter"
    return f"{letter}; deferred in an outage" if fault.name in OUTAGE_FAULTS else letter


GENERATED = {"docs/flags.md": flags, "docs/outcomes.md": faults}


def current(text: str, name: str) -> str:
    """A page's text with its made part as it should be.

    Args:
      text: the page as it is.
      name: its path in the repository.
    """
    made = GENERATED[name]
    mark = f"<!-- made: {made.__name__} -->\n"
    head, tail = re.split(f"(?s)(?<={mark}).*?(?=<!-- end -->)", text)
    return "\n".join([head + "\n".join(made()), tail])


def main(repository: Path) -> None:
    """Brings the pages below `repository` up to date."""
    for name in GENERATED:
        page = repository / name
        page.write_text(current(page.read_text("utf-8"), name), "utf-8")
        print(page)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
