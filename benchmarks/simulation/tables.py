"""The tables of `docs/scaling.md`, as Markdown, and their places in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from image_analysis_beam.transforms.write_tables import FILE_BYTES

from . import formulas, sizes, studies
from .scenarios import Result

EXAMPLES = ((10_000, 10), (100_000, 20), (1_000_000, 100), (10_000_000, 500), (100_000_000, 1000))
STEADY = ["processes", "R given: rate", "429s", "token bucket", "R unknown: rate", "429s", "after 1 minute"]
SOME_FEATURES, ALL_FEATURES = "caption,tags,read", ",".join(sizes.FEATURES)


def write_tables(page: Path, names: Iterable[str]) -> None:
    """Puts the tables between their marks in the page."""
    text = page.read_text(encoding="utf-8")
    for name in names:
        text, found = _place(name).subn(lambda match, name=name: f"{match[1]}{TABLES[name]()}\n{match[2]}", text)
        if found != 1:
            raise ValueError(f"{page} has {found} places for the table {name}")
    page.write_text(text, encoding="utf-8")


def written_table(page: Path, name: str) -> str:
    """The table that stands in the page."""
    match = _place(name).search(page.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{page} has no place for the table {name}")
    return match[0].removeprefix(match[1]).removesuffix(match[2]).rstrip("\n")


def growth_formulas() -> str:
    """What grows with what."""
    return markdown(["what", "how much"], formulas.FORMULAS)


def examples() -> str:
    """Worked examples."""
    head = ["images", "R", "time", "VMs", "processes", "share", "3 features", "7 features", "journal segments", "shard"]
    rows = []
    for images, rate in EXAMPLES:
        some, every = sizes.growth(images, rate, SOME_FEATURES), sizes.growth(images, rate, ALL_FEATURES)
        rows.append(
            [
                _grouped(images),
                f"{rate}/s",
                _duration(some.seconds),
                str(some.vms),
                str(some.processes),
                f"{some.share:.3g}/s",
                f"{_grouped(some.cost)} USD",
                f"{_grouped(every.cost)} USD",
                _grouped(some.segments),
                f"{_grouped(some.shard_images)}",
            ]
        )
    return markdown(head, rows)


def table_sizes() -> str:
    """Bytes and rows per image; small tables in one row."""
    head = ["table", "rows", "Parquet, bytes", "Arrow, bytes", "images per GiB in memory", "held by a writer, at most"]
    measured = sorted(sizes.measure_sizes(), key=lambda size: -size.parquet)
    large = [size for size in measured if size.parquet >= 100]
    small = [size for size in measured if size.parquet < 100]
    rows = [_size_row(f"`{size.table}`", [size]) for size in large]
    names = ", ".join(f"`{size.table}`" for size in small)
    return markdown(head, [*rows, _size_row(names, small), _size_row("together", measured)])


def _size_row(name: str, measured: Sequence[sizes.Size]) -> list[str]:
    rows, parquet, arrow, held = (sum(size[place] for size in measured) for place in range(1, 5))
    each = _grouped(FILE_BYTES / arrow) if len(measured) == 1 else ""
    return [name, f"{rows:g}", _grouped(parquet), _grouped(arrow), each, f"{held / 2**20:.0f} MiB"]


def steady() -> str:
    """Rate and refusals by the number of processes."""
    return markdown(STEADY, [steady_row(workers) for workers in studies.WORKERS])


def steady_row(workers: int) -> list[str]:
    """One row of `steady`."""
    given, unknown = studies.steady(workers, True), studies.steady(workers, False)
    bucket = studies.steady(workers, True, "bucket")
    return [
        str(workers),
        *_rate_and_refusals(given),
        " / ".join(_rate_and_refusals(bucket)),
        *_rate_and_refusals(unknown),
        percent(unknown.refusals(60)),
    ]


def shares() -> str:
    """Rate and refusals by the share of one process."""
    results = [studies.shared(share) for share in studies.SHARES]
    head = ["share of each of 200 processes", *(f"{share:g}/s" for share in studies.SHARES)]
    rates = ["rate", *(percent(result.rate()) for result in results)]
    return markdown(head, [rates, ["429s", *(percent(result.refusals()) for result in results)]])


def outages() -> str:
    """What an outage leaves behind: seconds until it is over for us, 429s, dead letters, deferred images."""
    head = ["processes", *(f"away for {seconds} s" for seconds in studies.OUTAGES)]
    return markdown(
        head, [[str(workers), *(_outage(workers, seconds) for seconds in studies.OUTAGES)] for workers in (1, 10, 200)]
    )


def _outage(workers: int, seconds: int) -> str:
    result = studies.outage(workers, seconds)
    refused = percent(result.refusals(result.scenario.outage[1]))
    dead, deferred = result.outcomes.get("dead letter", 0), result.outcomes.get("deferred: deadline", 0)
    return f"{result.recovered_after()} s, {refused}, {dead}, {deferred}"


def finishing() -> str:
    """Seconds until all images are done."""
    head = ["processes", *map(str, studies.WORKERS)]
    lines = {
        "R given": lambda workers: studies.finish(workers, True),
        "R given, `--max_in_flight 4 --batch_size 4`": lambda workers: studies.finish(workers, True, small=True),
        "R unknown": lambda workers: studies.finish(workers, False),
    }
    rows = [
        [name, *(f"{run(workers).finished_at:.0f} s" for workers in studies.WORKERS)] for name, run in lines.items()
    ]
    return markdown(head, rows)


def fewer() -> str:
    """The rate when fewer processes start than it is shared by at the start."""
    rates = (f"{started}: {percent(studies.fewer(started).rate())}" for started in studies.STARTED)
    return "; ".join(rates)


def changes() -> str:
    """What happens when members come and go."""
    at, killed, stalled, jobs = studies.CHANGE_AT, studies.killed(), studies.stalled(), studies.two_jobs()
    cut = studies.cut_off(1)
    deferred = 1 - cut.outcomes["analyzed"] / sum(cut.outcomes.values())
    rows = [
        ["half of 200 processes die at once", _used(killed, at + 40, at + 120), _most(killed)],
        ["20 of 200 stand still for a minute: while they do", _used(stalled, at + 40, at + 60), _most(stalled)],
        ["… and from 40 s after they wake", _used(stalled, at + 100, at + 180), _most(stalled)],
        ["a second job of 40 processes joins 40: from 30 s on", _used(jobs, at + 35, at + 120), _most(jobs)],
        ["… and from 30 s after it has ended", _used(jobs, at + 150, at + 240), _most(jobs)],
    ]
    table = markdown(["what happens", "rate", "most calls in any 10 s, of 1 000"], rows)
    return f"{table}\n\nOne of 4 processes cannot reach the service: {percent(deferred)} of the list is deferred."


def _used(result: Result, first: int, last: int) -> str:
    return percent(result.between(first, last))


def _most(result: Result) -> str:
    return _grouped(result.most_in(10))


TABLES: dict[str, Callable[[], str]] = {
    "formulas": growth_formulas,
    "examples": examples,
    "sizes": table_sizes,
    "steady": steady,
    "shares": shares,
    "outages": outages,
    "finishing": finishing,
    "fewer": fewer,
    "changes": changes,
}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percent(share: float) -> str:
    """A share as per cent, to a tenth; less than that as `< 0.1 %`."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _place(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- made: {name} -->\n).*?(<!-- end -->)", re.DOTALL)


def _rate_and_refusals(result: Result) -> tuple[str, str]:
    return percent(result.rate()), percent(result.refusals())


def _grouped(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def _duration(seconds: float) -> str:
    hours = seconds / 3600
    return f"{seconds / 60:.0f} min" if hours < 1 else f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
