"""`image-analysis-beam plan`: what a run with the same flags would do and cost. It calls nothing."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import apache_beam as beam

from ..transforms.account_run import AddCounts
from ..transforms.layout import Layout
from ..transforms.plan_work import PlanWork
from .flags import parse
from .job import JobConfig, configure
from .prices import Prices, billed_features, read_prices
from .workers import worker_processes


def main(argv: list[str]) -> int:
    """Prints the plan, as text or with `--json`; returns the exit code.

    Raises:
      ConfigurationError: a flag cannot work.
    """
    config = configure(parse(argv, "plan"), calling=False)
    plan = make_plan(config, _count(config), read_prices(config.flags.prices))
    print(json.dumps(plan, indent=2) if config.flags.json else "\n".join(plan_lines(plan)))
    return 0


def _count(config: JobConfig) -> dict[str, int]:
    """The counts of `PlanWork` on this machine."""
    dead_runs = Layout(config.output).dead_runs(but="")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "counts.json"
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            work = (
                pipeline
                | config.source
                | PlanWork(config.request, config.output, "", dead_runs, config.policy, config.flags.max_calls)
            )
            numbers = (
                work["counts"],
                work["to_do"] | "CountToDo" >> beam.Map(lambda _: {"to_call": 1}),
                work["deferred"] | "CountOver" >> beam.Map(lambda _: {"over_budget": 1}),
            )
            total = numbers | beam.Flatten() | "Sum" >> beam.CombineGlobally(AddCounts())
            total | "Keep" >> beam.Map(lambda counts: result.write_text(json.dumps(counts)))
        counts: dict[str, int] = json.loads(result.read_text())
    return counts


def make_plan(config: JobConfig, counts: dict[str, int], prices: Prices) -> dict[str, Any]:
    """The plan as data; seconds are None where no rate is given."""
    to_call, rate = counts.get("to_call", 0), config.flags.requests_per_second
    worst = 1 + config.settings.ambiguous_retries
    return {
        "input": counts.get("input", 0),
        "to_call": to_call,
        "why": _named(counts, "to_do."),
        "over_budget": counts.get("over_budget", 0),
        "skipped": _named(counts, "skipped."),
        "duplicates": counts.get("duplicates", 0),
        "recovered": counts.get("recovered", 0),
        "features": list(billed_features(config.request)),
        "transactions": to_call * len(billed_features(config.request)),
        "cost": {
            "amount": prices.cost(config.request, to_call),
            "worst_case": prices.cost(config.request, to_call * worst),
            "currency": prices.currency,
            "source": prices.source,
        },
        "requests_per_second": rate,
        "seconds": round(to_call / rate, 1) if rate else None,
        "worker_processes": worker_processes(config.runner, config.options),
        "requests_per_second_per_process": config.settings.requests_per_second,
    }


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan as text."""
    cost = plan["cost"]
    lines = [
        f"{plan['input']} images in the input",
        f"  {plan['to_call']} would be called{_reasons(plan['why']) if not plan['over_budget'] else ''}",
        f"  {plan['over_budget']} would be deferred: over --max_calls" if plan["over_budget"] else "",
        f"  {sum(plan['skipped'].values())} would be skipped{_reasons(plan['skipped'])}",
        f"  {plan['duplicates']} are duplicates",
        f"  {plan['recovered']} were answered in a run that did not end, and are taken over"
        if plan["recovered"]
        else "",
        f"{plan['transactions']} transactions: {plan['to_call']} calls x {len(plan['features'])} "
        f"({', '.join(plan['features'])})",
        f"about {cost['amount']:.2f} {cost['currency']} ({cost['source']}); at most {cost['worst_case']:.2f} "
        "if every call has to be made again because its answer was lost",
        _time(plan),
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


def _reasons(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{number} {reason}' for reason, number in counts.items())})" if counts else ""


def _named(counts: dict[str, int], prefix: str) -> dict[str, int]:
    return {name[len(prefix) :]: counts[name] for name in sorted(counts) if name.startswith(prefix)}
