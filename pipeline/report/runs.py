"""The runs of the folder: a line each, and their history: open failures over time, and what each month cost."""

from __future__ import annotations

from typing import Any

from .reading import Reading, open_failures

NEWEST = 12  # that are listed; with their history, `MOST`
MOST, POINTS = 1_000, 60

_ROWS = """
SELECT run_id, strftime(started_at, '%Y-%m-%dT%H:%M:%SZ') AS started_at, complete, input, analyzed, dead_letters,
    deferred, skipped, duplicates, attempts, billed_units, transactions, amount::DOUBLE AS amount, currency
FROM runs ORDER BY number DESC LIMIT $most
"""
_MONTHS = """
SELECT strftime(day, '%Y-%m') AS month, currency, sum(transactions)::BIGINT, sum(amount)::DOUBLE
FROM cost GROUP BY ALL ORDER BY month, currency
"""


def runs(reading: Reading, with_history: bool) -> dict[str, Any]:
    """The newest runs first; with all of them, how many images were open after each, and the cost by month."""
    told: dict[str, Any] = {
        "number": len(reading.folder.manifests),
        "rows": reading.dicts(_ROWS, most=MOST if with_history else NEWEST),
    }
    if with_history:
        told |= {"open": _open(reading), "months": reading.rows(_MONTHS)}
    return told


def _open(reading: Reading) -> list[tuple[str, int]]:
    """Runs, evenly chosen where there are many, and the images that were open when they were committed."""
    names = list(reading.folder.manifests)
    step = max(len(names) / POINTS, 1)
    chosen = [names[-1 - round(place * step)] for place in range(min(POINTS, len(names)))][::-1]
    return [(name, len(open_failures(reading.folder.as_of(name)))) for name in chosen]
