"""`AccountRun`: every input in exactly one place, or the run fails; then the manifest, whose presence is the commit.

Counts come from the elements themselves, not from metrics, so that a retried bundle counts once. The manifest is
written after every table; only then are the journals removed, and what earlier runs left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import apache_beam as beam

from ..schemas import TABLES
from ..schemas.outcomes import DeadLetter, Deferred
from .call_stats import latency_percentiles, processes_of
from .cost import cost_of
from .counts import Counts, named, pace, timeline
from .endpoint.limits import dead_letter_limit
from .ledger.layout import Layout
from .ledger.lists import lists_read
from .ledger.log import entry_of
from .ledger.records import MANIFEST_VERSION, Record, commit
from .ledger.start import start_run
from .ledger.tidy import leaving_nothing_if_taken_over, tidy
from .one_of_a_run import check_is_only, has_step
from .prices import Prices
from .windowing import at_end_of_bundle
from .write_tables import WrittenFile

FILES = "files"
UNBALANCED = "the accounts do not add up"
_CALL_COUNTS = ("retries", "billed_units", "bytes_sent", "throttled_seconds", "breaker_openings")


class AccountingError(Exception):
    """The outcomes do not add up to the input; the run is not committed."""


class AccountRun(beam.PTransform):
    """dict of PCollections -> PCollection with the manifest (a dict).

    Takes `files` (of `WriteTables`) and, under any other names, PCollections of dicts to add up: those of `PlanWork`,
    `AnalyzeImages` and `FlattenSections`, and of `count_record`. Rows of `images` are counted
    from the files.

    Args:
      output: the output folder.
      run_id: this run.
      facts: what the manifest says besides: request, versions, settings. JSON only. By `max_dead_letters` among them
        it is decided whether the run succeeded.
      prices: what it cost is told by these.

    A run that nobody has started (`start_run`) is started here: it planned from nothing, so it needs the folder for its
    commit alone. Where the pipeline has no `PlanWork` of the run, the journals of others are left to a run that has.

    Raises:
      ConfigurationError: the pipeline has one for the run already.

    Raises (when it runs):
      AccountingError: input and outcomes differ.
      TakenOver: another run has taken the folder over.
      Owned: another run owns it, where this one was not started.
    """

    def __init__(self, output: str, run_id: str, facts: Mapping[str, Any], prices: Prices | None = None) -> None:
        super().__init__()
        self._output, self._run_id, self._facts, self._prices = output, run_id, dict(facts), prices

    def expand(self, inputs: dict[str, beam.PCollection]) -> beam.PCollection:
        check_is_only("AccountRun", inputs[FILES].pipeline, self._output, self._run_id)
        counted = {name: counts for name, counts in inputs.items() if name != FILES}
        sums = [counts | f"Sum {name}" >> beam.ParDo(_SumOfBundle()) for name, counts in counted.items()]
        total = sums | beam.Flatten() | "Total" >> beam.CombineGlobally(AddCounts()).without_defaults()
        takes_in = has_step("PlanWork", inputs[FILES].pipeline, self._output, self._run_id)
        commit = _Commit(Layout(self._output), self._run_id, self._facts, self._prices, takes_in)
        return inputs[FILES] | "Commit" >> beam.ParDo(commit, beam.pvalue.AsSingleton(total, default_value={}))


def count_record(record: DeadLetter | Deferred) -> dict[str, int]:
    """The counts of one record: 1 of its table, and 1 of its class or reason."""
    kind = record.fault_class if isinstance(record, DeadLetter) else record.reason
    return {record.table: 1, f"{record.table}.{kind}": 1}


class AddCounts(beam.CombineFn):
    """Adds up dicts of numbers."""

    def create_accumulator(self) -> Counts:
        return Counts()

    def add_input(self, total: Counts, counts: Mapping[str, int]) -> Counts:
        total.add(counts)
        return total

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        total = Counts()
        for counts in accumulators:
            total.add(counts.total())
        return total

    def extract_output(self, total: Counts) -> dict[str, int]:
        return total.total()


class _SumOfBundle(beam.DoFn):
    """Counts of many small elements travel as few."""

    def start_bundle(self) -> None:
        self._counts = Counts()

    def process(self, counts: Mapping[str, int]) -> None:
        self._counts.add(counts)

    def finish_bundle(self) -> Iterator[Any]:
        yield at_end_of_bundle(self._counts.total())


class _Commit(beam.DoFn):
    def __init__(
        self,
        layout: Layout,
        run_id: str,
        facts: dict[str, Any],
        prices: Prices | None,
        takes_in: bool,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._layout, self._run_id, self._facts, self._prices, self._now = layout, run_id, facts, prices, now
        self._takes_in = takes_in

    def process(self, files: list[WrittenFile], counts: dict[str, int]) -> Iterator[Record]:
        given = self._layout.output, self._run_id, self._facts
        manifest = make_manifest(*given, files, counts, self._now(), self._prices)
        if entry_of(self._layout, self._run_id) is None:
            start_run(self._layout.output, self._run_id)
        with leaving_nothing_if_taken_over(self._layout, self._run_id):
            record = commit(self._layout, self._run_id, manifest)
        tidy(self._layout, self._run_id, record, self._takes_in)
        yield record


def make_manifest(
    output: str,
    run_id: str,
    facts: Mapping[str, Any],
    files: Iterable[WrittenFile],
    counts: Mapping[str, int],
    now: datetime,
    prices: Prices | None = None,
) -> dict[str, Any]:
    """The manifest of a run that adds up.

    Raises:
      AccountingError: it does not.
    """
    files = list(files)
    conservation, attempts = _conservation(files, counts), named(counts, "attempts.")
    return {
        "manifest_version": MANIFEST_VERSION,
        "run_id": run_id,
        **facts,
        "committed_at": now.isoformat(timespec="seconds"),
        "complete": conservation["deferred"] == 0,
        "exit_status": 3 if conservation["deferred"] or _has_too_many_dead(conservation, facts) else 0,
        "conservation": conservation,
        "why": named(counts, "to_do."),
        "skipped": named(counts, "skipped."),
        "dead_letters": named(counts, "dead_letters."),
        "deferred": named(counts, "deferred."),
        "attempts": attempts,
        "calls": {
            "attempts": sum(attempts.values()),
            **{name: counts.get(name, 0) for name in _CALL_COUNTS},
            "processes": processes_of(counts),
            "requests_per_second": pace(counts),
        },
        "cost": cost_of(counts, prices or Prices()),
        "copies": counts.get("copies", 0),
        "fitted": {name: counts.get(f"fitted.{name}", 0) for name in ("images", "bytes_saved")},
        "limited_by": named(counts, "waited."),
        "closed": named(counts, "closed."),
        "latency_seconds": latency_percentiles(counts),
        "timeline": timeline(counts),
        "lists": lists_read(counts),
        "unknown_fields": named(counts, "unknown."),
        "tables": _tables(output, files),
    }


def _conservation(files: list[WrittenFile], counts: Mapping[str, int]) -> dict[str, int]:
    """Where every input went. `recovered_extra` are answers of a dead run that this input does not ask for."""
    accounts = {
        "input": counts.get("input", 0),
        "recovered_extra": counts.get("recovered_extra", 0),
        "analyzed": sum(file.rows for file in files if file.table == "images"),
        "dead_letters": counts.get("dead_letters", 0),
        "deferred": counts.get("deferred", 0),
        "skipped": sum(named(counts, "skipped.").values()),
        "duplicates": counts.get("duplicates", 0),
    }
    came_in = accounts["input"] + accounts["recovered_extra"]
    went_out = sum(accounts[name] for name in ("analyzed", "dead_letters", "deferred", "skipped", "duplicates"))
    written = {table: sum(file.rows for file in files if file.table == table) for table in ("dead_letters", "deferred")}
    lists = lists_read(counts)
    listed = sum(entry["rows"] for entry in lists) if lists else accounts["input"]
    is_whole = came_in == went_out and listed == accounts["input"]
    if not is_whole or any(written[table] != accounts[table] for table in written):
        raise AccountingError(
            f"{UNBALANCED}: {accounts}, listed: {listed}, written: {written}; the run is not committed: "
            "report this line as a bug, and run the same command again"
        )
    return accounts


def _has_too_many_dead(conservation: Mapping[str, int], facts: Mapping[str, Any]) -> bool:
    if (given := facts.get("max_dead_letters")) is None:
        return False
    dead = conservation["dead_letters"]
    return dead_letter_limit(given).is_passed(dead, dead + conservation["analyzed"], of_all=True)


def _tables(output: str, files: list[WrittenFile]) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {name: {"rows": 0, "files": []} for name in TABLES}
    for file in files:
        entry = tables.setdefault(file.table, {"rows": 0, "files": []})
        entry["rows"] += file.rows
        entry["files"].append(file.path.removeprefix(output).lstrip("/"))
    return tables
