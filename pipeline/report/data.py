"""All that the page shows, as one value that JSON can hold. Numbers are those of the views and of the manifest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...transforms.prices import money
from ..cost import asked
from ..manifests import Manifest
from ..views.database import Folder
from ..views.look import EMULATOR
from .accounts import OUTCOMES, SKIPPED, cost, duration, limited_by, pace
from .facets import facets
from .layers import COUNTED, PLACED
from .needs import needs
from .reading import Reading, open_failures
from .runs import runs
from .sheet import Sheet, make_sheet
from .thumbnails import ON_THE_WEB
from .wording import readable

LATENCY_STEPS = 60

_LISTED = """
SELECT count(DISTINCT image_id), count(DISTINCT image_id) FILTER (place = 'answered') FROM outcomes
SEMI JOIN lists USING (list)
"""
_ANSWERED_ALONE = "SELECT count(*) FROM images SEMI JOIN scope USING (image_id) ANTI JOIN open USING (image_id)"
_ANSWERED = f"""
SELECT count(*), count(*) FILTER (ends_with(model_version, '{EMULATOR}'))
FROM images SEMI JOIN scope USING (image_id)
"""
_LATENCIES = """
WITH mine AS (
    SELECT latency_ms, epoch(analyzed_at) AS moment FROM raw.images
    WHERE run_id = $run AND latency_ms IS NOT NULL AND analyzed_at IS NOT NULL
),
span AS (SELECT min(moment) AS first, greatest((max(moment) - min(moment)) / $steps, 1) AS step FROM mine)
SELECT (first + step * floor((moment - first) / step))::BIGINT AS begins, quantile_cont(latency_ms, [0.5, 0.9, 0.99])
FROM mine, span GROUP BY begins ORDER BY begins
"""


def page_data(reading: Reading, now: datetime, all_runs: bool = False) -> tuple[dict[str, Any], Sheet]:
    """The data of the page, and the sheet whose pictures go beside it. `all_runs`: with their history."""
    found = facets(reading)
    sheet = make_sheet(reading, [image_id for one in found["odd"] for image_id in one["images"]])
    groups = needs(reading)
    for one in (*found["odd"], *groups):
        one["images"] = _places(sheet, one["images"])
    run, folder = reading.run, reading.folder
    return {
        "made": now.strftime("%Y-%m-%d %H:%M UTC"),
        "run": _run(run, folder),
        "verdict": _verdict(reading, groups, sheet.total),
        "changed": _changed(reading),
        "outcomes": [[name, run["conservation"][name], _reasons(run.get(name, {}))] for name in OUTCOMES],
        "needs": groups,
        "sheet": {
            "of": sheet.total,
            "images": sheet.images,
            "names": sheet.names,
            "away": ON_THE_WEB,
            "layers": [[table, table in COUNTED] for table in PLACED],
        },
        "facets": found,
        "pace": _pace(reading),
        "cost": _cost(reading),
        "runs": runs(reading, all_runs),
    }, sheet


def _reasons(numbers: dict[str, int]) -> dict[str, int]:
    """In words, where a reason is not its own."""
    return {SKIPPED.get(reason, reason): number for reason, number in numbers.items()}


def _places(sheet: Sheet, ids: Iterable[str]) -> list[int]:
    return [sheet.places[one] for one in ids if one in sheet.places]


def _run(run: Manifest, folder: Folder) -> dict[str, Any]:
    request = asked(run)
    return {
        "id": run["run_id"],
        "folder": folder.layout.output,
        "started": run["started_at"],
        "ended": run["committed_at"],
        "endpoint": readable(run["endpoint"]),
        "runner": readable(run["runner"]),
        "lists": [[readable(one["list"]), one["rows"]] for one in run["lists"]],
        "rebuilt_from": readable(run["reflattened_from"]),
        "features": list(request.features) if request else [],
        "model": readable(request.model_name) if request else "",
        "language": readable(request.language) if request else "",
        "api_version": readable(request.api_version) if request else "",
        "unknown_fields": [[readable(name), number] for name, number in run["unknown_fields"].items()],
        "versions": {readable(name): readable(str(version)) for name, version in run["versions"].items()},
    }


def _verdict(reading: Reading, groups: list[dict[str, Any]], total: int) -> dict[str, Any]:
    accounts, calls = reading.run["conservation"], reading.run["calls"]
    answers, emulated = reading.row(_ANSWERED)
    images, answered = reading.row(_LISTED)
    if not reading.row("SELECT count(*) FROM lists")[0]:
        images, answered = total, reading.row(_ANSWERED_ALONE)[0]
    return {
        "images": images,
        "answered": answered,
        "need": sum(group["number"] for group in groups),
        "elsewhere": reading.row("SELECT count(*) FROM failures")[0] - reading.row("SELECT count(*) FROM open")[0],
        "answers": answers,
        "emulated": emulated,
        "complete": reading.run["complete"],
        "recovered": accounts["recovered_extra"],
        "input": accounts["input"],
        "seconds": duration(reading.run),
        "per_second": calls["requests_per_second"],
        "limited_by": limited_by(reading.run),
    }


def _changed(reading: Reading) -> dict[str, Any] | None:
    """What is open now and was not before the run, and the reverse; None where there was no run before."""
    committed = list(reading.folder.manifests)
    if len(committed) < 2:
        return None
    then = open_failures(reading.folder.as_of(committed[-2]))
    now = dict(reading.rows("SELECT image_id, reason FROM failures"))
    return {
        "since": committed[-2],
        "new": len(now.keys() - then.keys()),
        "fixed": len(then.keys() - now.keys()),
        "still": len(then.keys() & now.keys()),
    }


def _pace(reading: Reading) -> dict[str, Any]:
    run = reading.run
    steps = pace(run)
    waited = sorted(run["limited_by"].items(), key=lambda item: -item[1])
    latencies = reading.rows(_LATENCIES, run=run["run_id"], steps=LATENCY_STEPS)
    return {
        "step": steps[0].seconds if steps else 1,
        "steps": [[step.at, step.answered, step.throttled, step.failed, step.state] for step in steps],
        "limit": run["requests_per_second"],
        "limited_by": [[name, seconds] for name, seconds in waited],
        "latencies": [[at, *(round(value, 1) for value in found)] for at, found in latencies],
        "latency": run["latency_seconds"],
        "attempts": sorted(run["attempts"].items(), key=lambda item: (-item[1], item[0])),
        "calls": run["calls"],
        "closed": run["closed"],
    }


def _cost(reading: Reading) -> dict[str, Any]:
    run = reading.run
    told, accounts = cost(run, reading.folder.prices), run["conservation"]
    return {
        "currency": told.prices.currency,
        "prices": told.prices.source,
        "amount": money(told.amount) if told.transactions is not None else None,
        "saved": money(told.saved),
        "recovered": _if_any(told.recovered),
        "maybe": _if_any(told.maybe),
        "reported_units": told.reported_units,
        "transactions": sorted((told.transactions or {}).items()),
        "known": accounts["skipped"],
        "duplicates": accounts["duplicates"],
        "copies": run["copies"],
        "fitted": run["fitted"] if run["fitted"]["images"] else None,
    }


def _if_any(amount: Decimal) -> str | None:
    return money(amount) if amount else None
