"""From what was read to the page: figures, charts and the template. Every foreign text is escaped by Jinja2."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...transforms.prices import Prices, money
from ..cost import asked
from ..manifests import Manifest
from . import charts, wording
from .accounts import OUTCOMES, Step, cost, dead_letter_groups, deferred_groups, pace, totals
from .aggregates import CONFIDENCE_BINS, Bucket
from .findings import Distribution, Findings
from .layers import LAYERS
from .reading import Folder
from .sample import SURE

_TEMPLATE, _SCRIPT = "report.html.j2", "page.js"
_STATES = {"throttled": "throttled", "outage": "outage"}


class Outcome(NamedTuple):
    """One term of the accounts, with the reasons that it splits into."""

    name: str
    number: int
    reasons: dict[str, int]


def render(folder: Folder, findings: Findings, prices: Prices | None, now: datetime) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": wording.count,
        "sureness": wording.confidence,
        "seconds": wording.seconds,
        "money": money,
        "moment": wording.moment,
        "spelled": wording.spelled,
        "readable": wording.readable,
    }
    script = _static(environment, _SCRIPT)
    steps, outcomes = pace(folder.run), _outcomes(folder.run)
    return environment.get_template(_TEMPLATE).render(
        run=folder.run,
        folder=folder,
        asked=asked(folder.run),
        folder_totals=totals(folder.runs),
        made_at=now.strftime("%Y-%m-%d %H:%M UTC"),
        outcomes=outcomes,
        came_in=folder.run["conservation"]["input"] + folder.run["conservation"]["recovered_extra"],
        accounts_chart=_accounts_chart(outcomes),
        duration=_duration(folder.run),
        steps=steps,
        states=_states(steps),
        limits=_limits(folder.run),
        timeline_chart=_timeline_chart(steps),
        most_per_second=_most(steps),
        clock=wording.clock,
        findings=findings,
        latency_chart=_latency_chart(findings.latencies),
        cost=cost(folder.run, prices),
        dead_letters=dead_letter_groups(folder),
        deferred=deferred_groups(folder),
        confidence_chart=_confidence_chart,
        meter=charts.meter,
        layers=[layer for layer in LAYERS if any(d.layer == layer for card in findings.cards for d in card.drawn)],
        sure=SURE,
        style=Markup(_static(environment, "style.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _static(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _outcomes(manifest: Manifest) -> list[Outcome]:
    accounts = manifest["conservation"]
    return [Outcome(name, accounts[name], manifest.get(name, {})) for name in OUTCOMES]


def _accounts_chart(outcomes: list[Outcome]) -> Markup:
    parts = [(outcome.number, outcome.name, f"{outcome.number} {outcome.name}") for outcome in outcomes]
    label = ", ".join(f"{outcome.number} {wording.spelled(outcome.name)}" for outcome in outcomes)
    return charts.stacked_row(parts, label)


def _duration(manifest: Manifest) -> str:
    times = [datetime.fromisoformat(manifest[name]) for name in ("started_at", "committed_at") if manifest[name]]
    if len(times) < 2:
        return "for an unknown time"
    return wording.seconds((times[1] - times[0]).total_seconds())


def _most(steps: list[Step]) -> float:
    return max(((step.answered + step.throttled + step.failed) / step.seconds for step in steps), default=0.0)


def _timeline_chart(steps: list[Step]) -> Markup:
    top = _most(steps) or 1.0
    columns = []
    for step in steps:
        numbers = (("answered", step.answered), ("throttled", step.throttled), ("failed", step.failed))
        said = ", ".join(f"{number} {name}" for name, number in numbers if number) or "no attempt"
        shares = [(number / step.seconds / top, name) for name, number in numbers]
        columns.append((shares, step.state, f"{wording.clock(step.at)}: {said}"))
    return charts.timeline(columns, f"attempts per second over time, at most {top:g}")


def _states(steps: list[Step]) -> dict[str, int]:
    """Seconds in each state that is shaded."""
    found = {name: sum(step.seconds for step in steps if step.state == name) for name in _STATES}
    return {name: seconds for name, seconds in found.items() if seconds}


def _limits(manifest: Manifest) -> str:
    """What calls waited for, with its share of all the waiting, the most first; empty where they never waited."""
    waited = sorted(manifest["limited_by"].items(), key=lambda item: -item[1])
    total = sum(seconds for _, seconds in waited)
    return ", ".join(f"{cause} {seconds / total:.0%}" for cause, seconds in waited if total)


def _latency_chart(buckets: list[Bucket]) -> Markup:
    titles = [f"{wording.seconds(b.low)} to {wording.seconds(b.high)}: {b.number} answers" for b in buckets]
    return charts.histogram([bucket.number for bucket in buckets], titles, "answers by latency")


def _confidence_chart(distribution: Distribution) -> Markup:
    edges = [place / CONFIDENCE_BINS for place in range(CONFIDENCE_BINS)]
    titles = [
        f"{edge:.2f} to {edge + 1 / CONFIDENCE_BINS:.2f}: {number}"
        for edge, number in zip(edges, distribution.bins, strict=True)
    ]
    return charts.histogram(distribution.bins, titles, f"{wording.spelled(distribution.table)} by confidence")
