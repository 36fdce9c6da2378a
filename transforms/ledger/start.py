"""How a run becomes owner of an output folder: it fences what is undecided, then creates the next entry of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from ..endpoint.errors import ConfigurationError
from ..endpoint.request import AnalyzeRequest
from .layout import Layout, new_run_id
from .liveness import is_alive, this_process
from .log import Entry, Past, create_entry, journal_segments, look, newest_entry
from .records import fence, is_committed

Judge = Callable[[Layout, str, Mapping[str, Any]], bool]


class Owned(Exception):
    """Another run owns the output folder and lives."""


class Started(NamedTuple):
    """A run that owns its output folder; `fenced` are the runs that it ended."""

    run_id: str
    fenced: list[str]


def start_run(
    output: str,
    run_id: str = "",
    *,
    take_over: str = "",
    owner: Mapping[str, Any] | None = None,
    request: AnalyzeRequest | None = None,
    judge: Judge = is_alive,
) -> Started:
    """Makes a run the owner of an output folder. Planning, calling and writing come after this.

    Args:
      output: the folder.
      run_id: a new one (`new_run_id`) where it is left out.
      take_over: a run that counts as dead, whatever `judge` says.
      owner: what tells this process from others (`this_process`).
      request: what the run asks; without it, a run that asks with other options may not know what that answers.
      judge: whether somebody works for an undecided run; it may be wrong.

    Raises:
      Owned: somebody works for another run, or became owner just now.
      ConfigurationError: `take_over` names no run that could be.
    """
    layout, run_id = Layout(output.rstrip("/")), run_id or new_run_id()
    past = look(layout)
    _check_take_over(past, take_over)
    for run in past.undecided:
        if run != take_over and judge(layout, run, past.owner):
            raise Owned(
                f"output {layout.output!r} is owned by run {run} ({_who(past.owner)}), which is alive; "
                f"wait for its end, or add --take_over {run} if you know that it is not"
            )
    ends = {run: fence(layout, run, by=run_id) for run in past.undecided}
    committed = [*past.committed, *(run for run, record in ends.items() if is_committed(record))]
    asked = asdict(request) if request else {}
    entry = Entry(past.number + 1, run_id, dict(owner or this_process()), committed, journal_segments(layout), asked)
    if not create_entry(layout, entry):
        newest = newest_entry(layout)
        assert newest is not None
        raise Owned(
            f"output {layout.output!r} went to run {newest.run_id} ({_who(newest.owner)}) in the same moment; "
            "when that has ended, run the same command again"
        )
    return Started(run_id, [run for run, record in ends.items() if not is_committed(record)])


def _check_take_over(past: Past, run_id: str) -> None:
    if run_id and run_id not in past.undecided:
        owner = f"the undecided run is {past.undecided[0]}" if past.undecided else "no run is undecided"
        raise ConfigurationError(f"take_over {run_id!r}", f"it does not own the output: {owner}", "leave it out")


def _who(owner: Mapping[str, Any]) -> str:
    return f"process {owner['pid']} on {owner['host']}" if "pid" in owner else "another machine"
