"""`image-analysis-beam plan`: what a run with the same flags would do and cost. It calls nothing."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from ..transforms.account_run import AddCounts
from ..transforms.cost import cost_of
from ..transforms.endpoint.signatures import has_expired
from ..transforms.endpoint.uri import ImageRef
from ..transforms.plan_work import PlanWork
from ..transforms.prices import Prices, money
from .flags import parse
from .job import JobConfig, configure
from .terminal import out

AN_HOUR = 3600  # seconds


def main(argv: list[str]) -> int:
    """Prints the plan, as text or with `--json`; returns the exit code.

    Raises:
      ConfigurationError: a flag cannot work.
    """
    config = configure(parse(argv, "plan"), calling=False)
    plan = make_plan(config, _count(config), config.prices)
    out(json.dumps(plan, indent=2) if config.flags.json else "\n".join(plan_lines(plan)))
    return 0


def _count(config: JobConfig) -> dict[str, int]:
    """The counts of `PlanWork` on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "counts.json"
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            work = (
                pipeline
                | config.source
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
            to_call = (
                work["to_do"]
                | "Unexpired" >> beam.Filter(lambda image: not has_expired(image.uri, now))
                | "ToCall" >> beam.combiners.Count.Globally()
            )
            numbers = (
                work["counts"],
                work["to_do"]
                | "CountToDo"
                >> beam.Map(_count_image, AsSingleton(to_call), config.request.billed_features, rate, now),
                work["deferred"] | "CountOver" >> beam.Map(lambda _: {"over_budget": 1}),
            )
            total = numbers | beam.Flatten() | "Sum" >> beam.CombineGlobally(AddCounts())
            total | "Keep" >> beam.Map(lambda counts: result.write_text(json.dumps(counts)))
        counts: dict[str, int] = json.loads(result.read_text())
    return counts


def _count_image(
    image: ImageRef, to_call: int, features: tuple[str, ...], rate: float | None, now: float
) -> dict[str, int]:
    """`expired` will not be called; `expiring` may be, if its turn comes in time. `asked.*`: for which features."""
    if has_expired(image.uri, now):
        return {"expired": 1}
    run_time = to_call / rate if rate else AN_HOUR
    asked = image.asks.split(",") if image.asks else features
    expiring = int(has_expired(image.uri, now + run_time))
    return {"to_call": 1, "expiring": expiring, **{f"asked.{name}": 1 for name in asked}}


def make_plan(config: JobConfig, counts: dict[str, int], prices: Prices) -> dict[str, Any]:
    """The plan as data; seconds are None where no rate is given."""
    to_call, rate = counts.get("to_call", 0), config.requests_per_second
    worst = 1 + config.settings.ambiguous_retries
    asked = {name: counts.get(f"asked.{name}", 0) for name in config.request.billed_features}
    held = {name: to_call - number for name, number in asked.items() if number < to_call}
    return {
        "input": counts.get("input", 0),
        "to_call": to_call,
        "why": _named(counts, "to_do."),
        "expired": counts.get("expired", 0),
        "expiring": counts.get("expiring", 0),
        "over_budget": counts.get("over_budget", 0),
        "budget": {"max_calls": config.flags.max_calls, "max_cost": config.flags.max_cost},
        "skipped": _named(counts, "skipped."),
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
        "worker_processes": config.processes,
        "requests_per_second_per_process": config.process_share,
    }


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan as text."""
    over = ", ".join(f"--{name} {limit:g}" for name, limit in plan["budget"].items() if limit is not None)
    cost, is_all_called = plan["cost"], not (plan["over_budget"] or plan["expired"])
    lines = [
        f"{plan['input']} images in the input",
        f"  {plan['to_call']} would be called{_reasons(plan['why']) if is_all_called else ''}",
        f"  {plan['expired']} would fail: their signed URLs have expired; list them again with fresh signatures"
        if plan["expired"]
        else "",
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
        _time(plan),
        f"{plan['expiring']} signed URLs expire within {'that time' if plan['seconds'] else 'an hour'}"
        if plan["expiring"]
        else "",
    ]
    return [line for line in lines if line]


def _time(plan: dict[str, Any]) -> str:
    if plan["seconds"] is None:
        return "no --requests_per_second is given: the time depends on what the service bears"
    share, processes = plan["requests_per_second_per_process"], plan["worker_processes"]
    return (
        f"{plan['seconds']:.0f} s at {plan['requests_per_second']:g} calls a second, "
        f"{share:g} for each of {processes} worker processes"
    )


def _by_feature(numbers: dict[str, int]) -> str:
    return f" ({', '.join(f'{name} {number}' for name, number in numbers.items())})"


def _reasons(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{number} {reason}' for reason, number in counts.items())})" if counts else ""


def _named(counts: dict[str, int], prefix: str) -> dict[str, int]:
    return {name[len(prefix) :]: counts[name] for name in sorted(counts) if name.startswith(prefix)}
