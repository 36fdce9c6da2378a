"""What is removed after a commit rests on a record: whatever a folder holds, what counts stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import Entry, create_entry
from image_analysis_beam.transforms.ledger.tidy import remove_traces, tidy

TABLES = ["images", "tags", "deferred"]
NAMES = ["a.parquet", "b.parquet", "schema.parquet", ".unfinished", "deep/c.parquet", "run=x/d.parquet"]
IDS = ["20261125T000000Z-0000", "20261125T000000Z-00001", "20261124T000000Z-0000", "nightly", "a [1]*"]
PLACES = [f"{{}}/run={{{{}}}}/{name}".format(table) for table in [*TABLES, "staging"] for name in NAMES]
PLACES += ["journal/run={}/1.parquet", "journal/run={}/2.parquet", "journal/run={}/batch/claim"]
PLACES += ["runs/{}/members/launcher", "runs/{}/members/worker", "runs/{}.started"]


class Run(NamedTuple):
    """A run of the log: how it ended, what it left, which of it its manifest names, which segments it took in."""

    run_id: str
    status: str | None
    left: set[str]
    named: set[str]
    reads: set[str]

    @property
    def record(self) -> dict | None:
        if self.status != "committed":
            return {"status": "fenced", "by": "another"} if self.status else None
        tables = {table: {"files": sorted(name for name in self.named if name.startswith(table))} for table in TABLES}
        return {"status": "committed", "run_id": self.run_id, "tables": tables}


@st.composite
def runs(draw, run_id, segments):
    """A run with any traces; a manifest names files of its partitions only."""
    left = {place.replace("{}", run_id) for place in draw(st.sets(st.sampled_from(PLACES)))}
    files = sorted(name for name in left if name.partition("/")[0] in TABLES and name.count("/") == 2)
    named = draw(st.sets(st.sampled_from(files))) if files else set()
    reads = draw(st.sets(st.sampled_from(segments)))
    return Run(run_id, draw(st.sampled_from(["committed", "fenced", None])), left, named, reads)


@st.composite
def folders(draw):
    """The runs of a folder in the order of its log."""
    ids = draw(st.permutations(draw(st.sets(st.sampled_from(IDS), min_size=1).map(sorted))))
    segments = [f"journal/run={run_id}/{number}.parquet" for run_id in ids for number in (1, 2)]
    return [draw(runs(run_id, segments)) for run_id in ids]


def write(output: Path, name: str, text: str = "x") -> None:
    (output / name).parent.mkdir(parents=True, exist_ok=True)
    (output / name).write_text(text)


def written(output: Path, folder: list[Run]) -> Layout:
    layout = Layout(str(output))
    for number, run in enumerate(folder, 1):
        for name in run.left:
            write(output, name)
        if run.record:
            write(output, f"runs/{run.run_id}.json", json.dumps(run.record))
        create_entry(layout, Entry(number, run.run_id, {"token": run.run_id}, [], sorted(run.reads), {}))
    return layout


def names(output: Path) -> set[str]:
    return {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}


def of(run: Run, name: str) -> bool:
    return f"/run={run.run_id}/" in name or name.startswith((f"runs/{run.run_id}/", f"runs/{run.run_id}.started"))


def around(folder: list[Run], remove: Callable[[Layout], None]) -> Iterator[set[str]]:
    """What is there before a removal, after it, and after doing it again."""
    with TemporaryDirectory() as output:
        layout = written(Path(output), folder)
        yield names(Path(output))
        for _ in range(2):
            remove(layout)
            yield names(Path(output))


def is_segment(name: str) -> bool:
    return name.startswith("journal/") and name.endswith(".parquet")


def check(folder: list[Run], by: Run, before: set[str], after: set[str], taken_in: set[str]) -> None:
    """What may be gone, and what has to be."""
    gone = before - after
    assert not after - before
    for run in folder:
        left = {name for name in before if of(run, name)}
        assert not gone & run.named or run.status != "committed", "a file that counts"
        if run.status is None:
            assert gone & left <= taken_in, "what an undecided run wrote"
    assert not {name for name in gone if name.endswith(".json")}, "records and log"
    assert set(filter(is_segment, gone)) <= taken_in
    counted = by.named if by.status == "committed" else set()
    assert {name for name in after if of(by, name) and not is_segment(name)} == counted


@settings(max_examples=60)
@given(folders(), st.data())
def test_after_a_commit_what_counts_stays_and_what_it_took_in_goes(folder, data):
    committed = [run for run in folder if run.status == "committed"]
    if not committed:
        return
    by = data.draw(st.sampled_from(committed))
    before, after, again = around(folder, lambda layout: tidy(layout, by.run_id, by.record))
    assert again == after
    own = {name for name in before if name.startswith(f"journal/run={by.run_id}/")}
    check(folder, by, before, after, by.reads | own)
    assert not after & (by.reads | own)


@settings(max_examples=60)
@given(folders(), st.data())
def test_the_traces_of_a_run_go_and_nothing_else(folder, data):
    ended = [run for run in folder if run.status]
    if not ended:
        return
    by = data.draw(st.sampled_from(ended))
    before, after, _ = around(folder, lambda layout: remove_traces(layout, by.run_id, by.record))
    check(folder, by, before, after, set())
    assert all(of(by, name) for name in before - after)
