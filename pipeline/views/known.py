"""What the manifests of committed runs say, as small tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from ...transforms.endpoint.faults import FAULTS
from ...transforms.endpoint.fingerprint import given_answers, wanted_answers
from ...transforms.endpoint.request import AnalyzeRequest
from ...transforms.ledger.layout import Layout
from ...transforms.ledger.log import earlier_requests, entries
from ...transforms.prices import Prices
from ..cost import COST, asked, cost_table, spent, table_of
from ..manifests import Manifest, moment
from ..troubleshooting import REASONS, advice

_UTC = pa.timestamp("us", tz="UTC")
_COUNTS = ("input", "recovered_extra", "analyzed", "dead_letters", "deferred", "skipped", "duplicates")

_RUNS = pa.schema(
    [
        ("run_id", pa.string()),
        ("number", pa.int64()),
        ("started_at", _UTC),
        ("committed_at", _UTC),
        ("complete", pa.bool_()),
        *((name, pa.int64()) for name in _COUNTS),
        ("attempts", pa.int64()),
        ("billed_units", pa.int64()),
        ("transactions", pa.int64()),
        ("amount", COST.field("amount").type),
        ("currency", pa.string()),
        ("features", pa.list_(pa.string())),
        ("model_name", pa.string()),
        ("fingerprint", pa.string()),
        ("endpoint", pa.string()),
        ("runner", pa.string()),
        ("fitted", pa.int64()),
        ("bytes_saved", pa.int64()),
        ("copies", pa.int64()),
    ]
)
_LISTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("number", pa.int64()),
        ("list", pa.string()),
        ("rows", pa.int64()),
        ("held_by", pa.string()),
    ]
)
_ASKED = pa.schema([("fingerprint", pa.string()), ("feature", pa.string()), ("answer", pa.string())])
_REASONS = pa.schema([("reason", pa.string()), ("what_to_do", pa.string())])


def known_tables(layout: Layout, manifests: dict[str, Manifest], prices: Prices | None = None) -> dict[str, pa.Table]:
    """The tables by name. `manifests` are in the order of the runs. `prices`: instead of those of each run."""
    requests, runs = earlier_requests(layout, entries(layout), manifests), list(manifests.values())
    return {
        "runs": table_of(_RUNS, (_run(number, run, prices) for number, run in enumerate(runs, 1))),
        "lists": table_of(_LISTS, _lists(runs)),
        "asked": table_of(_ASKED, sorted({row for request in requests for row in _asked(request)})),
        "reasons": table_of(_REASONS, ((name, advice(name)) for name in sorted({*FAULTS, *REASONS}))),
        "costs": cost_table(runs, prices),
    }


def _run(number: int, manifest: Manifest, prices: Prices | None) -> tuple[Any, ...]:
    of_run, request = spent(manifest, prices), asked(manifest)
    transactions = of_run.transactions if of_run else {}
    return (
        manifest["run_id"],
        number,
        moment(manifest["started_at"]),
        moment(manifest["committed_at"]),
        manifest["complete"],
        *(manifest["conservation"][name] for name in _COUNTS),
        manifest["calls"]["attempts"],
        manifest["calls"]["billed_units"],
        sum(transactions.values()),
        of_run.amount if of_run else None,
        of_run.prices.currency if of_run else None,
        list(request.features) if request else None,
        (request.model_name or None) if request else None,
        manifest["fingerprint"] or None,
        manifest["endpoint"] or None,
        manifest["runner"] or None,
        manifest["fitted"]["images"],
        manifest["fitted"]["bytes_saved"],
        manifest["copies"],
    )


def _lists(runs: Iterable[Manifest]) -> Iterator[tuple[Any, ...]]:
    for number, manifest in enumerate(runs, 1):
        for entry in manifest["lists"]:
            yield manifest["run_id"], number, entry["list"], entry["rows"], entry["run_id"]


def _asked(request: AnalyzeRequest) -> Iterator[tuple[str, str, str]]:
    """What each thing that was asked, by its fingerprint, asks: features, and the fingerprints of their answers."""
    names = request.features or (request.model_name,)
    named = dict(zip(wanted_answers(request), names, strict=True))
    for fingerprint, answers in given_answers(request).items():
        yield from ((fingerprint, named[answer], answer) for answer in answers)
