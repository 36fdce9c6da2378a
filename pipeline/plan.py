"""`image-analysis-beam plan`: what a run with the same flags would do and cost. It calls nothing."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from ..transforms.account_run import AddCounts
from ..transforms.cost import cost_of
from ..transforms.counts import named
from ..transforms.endpoint.signatures import has_expired
from ..transforms.endpoint.uri import ImageRef
from ..transforms.ledger.layout import Layout
from ..transforms.ledger.log import look
from ..transforms.lists.references import escaped
from ..transforms.plan_work import PlanWork
from ..transforms.prices import money
from .flags import parse
from .job import JobConfig, configure
from .mistakes import COUNTS, EXAMPLES, FOUND, KINDS, Look, Mistake
from .terminal import out

AN_HOUR = 3600  # seconds

Seen = tuple[dict[str, int], dict[str, list[Mistake]]]


def main(argv: list[str]) -> int:
    """Prints the plan, as text or with `--json`; returns the exit code.

    Raises:
      ConfigurationError: a flag cannot work.
    """
    config = configure(parse(argv, "plan"), calling=False)
    plan = make_plan(config, *_look(config))
    out(json.dumps(plan, indent=2) if config.flags.json else "\n".join(plan_lines(plan)))
    return 0


def _look(config: JobConfig) -> Seen:
    """What is seen in a folder of which no run began or ended meanwhile: it may have moved what was looked at."""
    layout = Layout(config.output)
    while True:
        before = look(layout)
        try:
            seen = _look_once(config)
        except Exception:
            if look(layout) == before:
                raise
        else:
            if look(layout) == before:
                return seen


def _look_once(config: JobConfig) -> Seen:
    """The counts of `PlanWork` on this machine, and of what is then seen of its images; the first few mistakes."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "plan.json"
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            work = (
                pipeline
                | copy(config.source)  # a transform is of one pipeline
                | PlanWork(
                    config.request,
                    config.output,
                    "",
                    config.policy,
                    config.flags.max_calls,
                    max_cost=config.flags.max_cost,
                    prices=config.prices,
                )
            )
            now, rate = time.time(), config.requests_per_second
            seen = work["to_do"] | "Look" >> beam.ParDo(Look(config.request, now, config.fit)).with_outputs(
                FOUND, COUNTS, main="to_call"
            )
            to_call = seen.to_call | "ToCall" >> beam.combiners.Count.Globally()
            numbers = (
                work["counts"],
                seen[COUNTS],
                seen.to_call
                | "CountToCall"
                >> beam.Map(_count_image, AsSingleton(to_call), config.request.billed_features, rate, now),
                work["deferred"] | "CountOver" >> beam.Map(lambda _: {"over_budget": 1}),
            )
            total = numbers | beam.Flatten() | "Sum" >> beam.CombineGlobally(AddCounts())
            kept = seen[FOUND] | "FirstOfEach" >> beam.combiners.Top.SmallestPerKey(EXAMPLES) | beam.combiners.ToDict()
            total | "Keep" >> beam.Map(
                lambda counts, first: result.write_text(json.dumps([counts, first])), AsSingleton(kept)
            )
        counts, first = json.loads(result.read_text())
    return counts, {kind: [Mistake(*each) for each in some] for kind, some in first.items()}


def _count_image(
    image: ImageRef, to_call: int, features: tuple[str, ...], rate: float | None, now: float
) -> dict[str, int]:
    """`expiring` may be called, if its turn comes in time. `asked.*`: for which features."""
    run_time = to_call / rate if rate else AN_HOUR
    asked = image.asks.split(",") if image.asks else features
    expiring = int(has_expired(image.uri, now + run_time))
    return {"to_call": 1, "expiring": expiring, **{f"asked.{name}": 1 for name in asked}}


def make_plan(config: JobConfig, counts: dict[str, int], mistakes: dict[str, list[Mistake]]) -> dict[str, Any]:
    """The plan as data; seconds are None where no rate is given."""
    to_call, rate, prices = counts.get("to_call", 0), config.requests_per_second, config.prices
    worst = 1 + config.settings.ambiguous_retries
    asked = {name: counts.get(f"asked.{name}", 0) for name in config.request.billed_features}
    held = {name: to_call - number for name, number in asked.items() if number < to_call}
    return {
        "input": counts.get("input", 0),
        "to_call": to_call,
        "why": named(counts, "to_do."),
        "expired": counts.get("mistakes.expired", 0),
        "mistakes": {
            kind: {"number": number, "first": [each.told for each in mistakes.get(kind, ())]}
            for kind in KINDS
            if (number := counts.get(f"mistakes.{kind}"))
        },
        "local_files": {"number": counts.get("local", 0), "looked_at": counts.get("looked_at", 0)},
        "fit": named(counts, "fit."),
        "expiring": counts.get("expiring", 0),
        "over_budget": counts.get("over_budget", 0),
        "budget": {"max_calls": config.flags.max_calls, "max_cost": config.flags.max_cost},
        "skipped": named(counts, "skipped."),
        "duplicates": counts.get("duplicates", 0),
        "recovered": counts.get("recovered", 0),
        "by_former_id": counts.get("by_former_id", 0),
        "asked": asked,
        "held": held,
        "transactions": sum(asked.values()),
        "cost": {
            "amount": float(prices.cost(asked)),
            "worst_case": float(prices.cost({name: number * worst for name, number in asked.items()})),
            "saved": float(prices.cost(held)),
            "recovered": cost_of(counts, prices)["amount"],
            "currency": prices.currency,
            "source": prices.source,
        },
        "requests_per_second": rate,
        "seconds": round(to_call / rate, 1) if rate else None,
        "max_seconds": config.limits.seconds,
        "worker_processes": config.processes,
        "requests_per_second_per_process": config.process_share,
    }


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan as text."""
    over = ", ".join(f"--{name} {limit:g}" for name, limit in plan["budget"].items() if limit is not None)
    cost, is_all_called = plan["cost"], not (plan["over_budget"] or plan["mistakes"])
    lines = [
        f"{plan['input']} images in the input",
        f"  {plan['to_call']} would be called{_reasons(plan['why']) if is_all_called else ''}",
        *_mistakes(plan),
        f"  {plan['over_budget']} would be deferred: over {over}" if plan["over_budget"] else "",
        f"  {sum(plan['skipped'].values())} would be skipped{_reasons(plan['skipped'])}",
        f"  {plan['duplicates']} are duplicates",
        f"  {plan['recovered']} were answered in a run that did not end, and are taken over; "
        f"{money(cost['recovered'])} {cost['currency']} were spent there, and count in this run"
        if plan["recovered"]
        else "",
        f"  {plan['by_former_id']} of these were answered under the id that an earlier version gave them"
        if plan["by_former_id"]
        else "",
        f"{plan['transactions']} transactions{_by_feature(plan['asked'])}",
        f"  {sum(plan['held'].values())} transactions{_by_feature(plan['held'])} are saved, "
        f"about {money(cost['saved'])} {cost['currency']}: of these images the answers are held"
        if plan["held"]
        else "",
        f"about {money(cost['amount'])} {cost['currency']} ({cost['source']}); "
        f"at most {money(cost['worst_case'])} "
        "if every call has to be made again because its answer was lost",
        _fit(plan),
        _time(plan),
        _within_time(plan),
        f"{plan['expiring']} signed URLs expire within {'that time' if plan['seconds'] else 'an hour'}"
        if plan["expiring"]
        else "",
    ]
    return [line for line in lines if line]


def _mistakes(plan: dict[str, Any]) -> Iterator[str]:
    """What would fail without a call, each kind with the first few."""
    for kind, found in plan["mistakes"].items():
        yield f"  {found['number']} would fail: {KINDS[kind]}"
        for each in found["first"]:
            why = f" ({each['why']})" if each["why"] else ""
            yield f"    {escaped(each['place'])}{escaped(each['image'])}{escaped(why)}"
        if (more := found["number"] - len(found["first"])) > 0:
            yield f"    and {more} more"
    local = plan["local_files"]
    if local["looked_at"] < local["number"]:
        yield f"  only a sample of the local files was looked at: {local['looked_at']} of {local['number']}"


def _fit(plan: dict[str, Any]) -> str:
    told = plan["fit"]
    if not told.get("fitted"):
        return ""
    sent, whole = (f"{told[name] / 1e6:,.1f} MB" for name in ("sent", "bytes"))
    return f"--fit: {told['fitted']} local files would not be sent as they are: about {sent} in place of {whole} in all"


def _time(plan: dict[str, Any]) -> str:
    if plan["seconds"] is None:
        return "no --requests_per_second is given: the time depends on what the service bears"
    share, processes = plan["requests_per_second_per_process"], plan["worker_processes"]
    return (
        f"{plan['seconds']:.0f} s at {plan['requests_per_second']:g} calls a second, "
        f"{share:g} for each of {processes} worker processes"
    )


def _within_time(plan: dict[str, Any]) -> str:
    limit, rate = plan["max_seconds"], plan["requests_per_second"]
    if not limit or not rate or plan["seconds"] <= limit:
        return ""
    return f"  --max_time: about {int(limit * rate)} are called in {limit:.0f} s, and the rest would be deferred"


def _by_feature(numbers: dict[str, int]) -> str:
    return f" ({', '.join(f'{name} {number}' for name, number in numbers.items())})"


def _reasons(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{number} {reason}' for reason, number in counts.items())})" if counts else ""
