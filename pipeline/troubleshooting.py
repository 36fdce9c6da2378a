"""Where a message sends its reader: `docs/troubleshooting.md` has an entry for each kind of trouble."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from ..transforms.endpoint.faults import FAULTS, UNSETTLED
from ..transforms.endpoint.guard import OVER_BUDGET, TOO_MANY_DEAD_LETTERS

PAGE = "docs/troubleshooting.md"
SINGLE_IMAGES = "single-images"  # the entries of dead letters
INTERRUPTED, STORAGE, CLOCK, OTHER = "interrupted", "storage", "clock", "a-setting-that-cannot-work"
DAMAGED = "a-damaged-folder"
EXIT_CODES = {code: f"exit-code-{code}" for code in (0, 2, 3, 4, 5)}
# Why images are deferred, besides the systemic faults.
REASONS = ("outage", UNSETTLED, "throttled", OVER_BUDGET, TOO_MANY_DEAD_LETTERS, INTERRUPTED, "rate_limiter")
GO_ON = "run the same command again to go on"
# What a person can do where the table of faults does not say it, or not all.
WHAT_TO_DO = {
    "outage": "run the same command again when the service is well",
    UNSETTLED: "run the same command again: it tells whether the images or the service are at fault",
    "throttled": "run the same command again, with a lower --requests_per_second",
    OVER_BUDGET: GO_ON,
    TOO_MANY_DEAD_LETTERS: "look at the dead letters and correct the list; the same command again, or with a higher "
    "--max_dead_letters, goes on",
    INTERRUPTED: GO_ON,
}
# Configuration errors by how their message begins; the first that fits.
_FAMILIES = {
    EXIT_CODES[5]: r"output .* owns it and is alive",
    "unauthorized": r"unauthorized\b",
    "a-store-cannot-be-used": r".*(takes a package that is not installed|credentials|it begins with one of|"
    r"begins with one of|storage account|names no bucket)",
    DAMAGED: r"(manifest|record|log|run|table) |output .* restore it from a copy",
    "the-output-folder": r"(no )?(output|stored)\b",
    "another-run-owns-the-output": r"take_over\b",
    "lists-and-images": r"(no )?(input|images|uri_column)\b|.*matches no file",
    "endpoint": r"(no )?endpoint\b|share\b|token.issuer\b|\S+\.ya?ml\b|requests_per_second .* a rate of its own",
    "key": r"(no|the) key\b|key.secret\b|Microsoft Entra|(REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)|--\S+: a secret",
    "what-is-asked": r"features?\b|neither features|model_(name|version)\b|language\b|api_version\b|smartcrops|gender",
    "the-runner": r"runner\b|job_endpoint\b",
    "prices": r"prices\b",
    "commands-and-flags": r"(unknown flag|stray argument|argument|command|--)|reflatten\b|.*see --help for what",
    "numbers": r".*(it is a (whole )?number|at least|at most|invalid (int|float) value)",
}


def with_link(message: str, entry: str) -> str:
    """The message, with where to read on: in the page of this checkout, or that was installed with the package."""
    page = Path(__file__).resolve().parents[1] / PAGE
    with suppress(OSError, ValueError):
        page = page.relative_to(Path.cwd())
    return f"{message} ({page}#{entry})"


def advice(name: str) -> str:
    """What a person can do about a fault class or a reason for deferring."""
    return WHAT_TO_DO.get(name) or (FAULTS[name].fix if name in FAULTS else "run the same command again")


def entry_of_configuration(message: str) -> str:
    """The entry that a configuration error's message belongs to."""
    return next((entry for entry, begins in _FAMILIES.items() if re.match(begins, message)), OTHER)


def entry_of_storage(fix: str) -> str:
    """The entry of a failure of storage, by what can be done (`failures.fix_of`)."""
    return DAMAGED if "damaged" in fix else STORAGE


def entry_of_deferred(reason: str) -> str:
    """The entry of a reason for deferring."""
    return reason if reason in REASONS or reason in FAULTS else EXIT_CODES[3]


def entries() -> list[str]:
    """Every entry that a message may name."""
    return list(dict.fromkeys([*FAULTS, *REASONS, STORAGE, CLOCK, *EXIT_CODES.values(), *_FAMILIES, OTHER]))
