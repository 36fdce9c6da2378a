"""This process as the owner of an output folder: from the claim of a run to its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from apache_beam.options.pipeline_options import PipelineOptions

from ..transforms.endpoint.request import AnalyzeRequest
from ..transforms.files.create_once import weakness
from ..transforms.ledger.layout import Layout
from ..transforms.ledger.liveness import is_alive, this_process
from ..transforms.ledger.members import MEMBERS, Member, remove_members
from ..transforms.ledger.records import Record, fence, is_committed, read_record
from ..transforms.ledger.start import Started, start_run
from ..transforms.ledger.tidy import remove_traces
from .dataflow import job_has_ended
from .terminal import say
from .workers import ON_THIS_MACHINE


def own(
    output: str,
    run_id: str,
    runner: str,
    options: PipelineOptions,
    take_over: str = "",
    request: AnalyzeRequest | None = None,
) -> Started:
    """Makes a run the owner of its output folder, and says where that takes a while or cannot be relied on.

    Raises:
      Owned: another run owns it and lives.
      ConfigurationError: `take_over` names no run that could be.
    """
    if weak := weakness(Layout(output).log):
        say(f"{output}: two runs that start in one moment may both go on here: {weak}")
    judge = partial(is_alive, job_has_ended=partial(job_has_ended, options=options), pause=_watching())
    owner = this_process(workers_end_with_it=runner in ON_THIS_MACHINE)
    return start_run(output, run_id, take_over=take_over, owner=owner, request=request, judge=judge)


@contextmanager
def working_for(layout: Layout, run_id: str) -> Iterator[Member]:
    """Says, as long as it lasts, that this process works for the run."""
    member = MEMBERS.join(layout.output, run_id, launches=True)
    try:
        yield member
    finally:
        MEMBERS.leave(layout.output, run_id)
        with suppress(OSError):  # one that came late
            if is_committed(read_record(layout, run_id)):
                remove_members(layout, run_id)


def end(layout: Layout, run_id: str) -> Record | None:
    """The record of a run that does not go on: nobody need wait for it. None where it cannot be written."""
    try:
        return fence(layout, run_id, by=run_id)
    except OSError:
        return None


def is_taken_over(layout: Layout, run_id: str, record: Record | None) -> bool:
    """Whether another run has ended this one; what it wrote since then is removed, or left to the next owner."""
    if record is None or record.get("by", run_id) == run_id:
        return False
    with suppress(OSError):
        remove_traces(layout, run_id, record)
    return True


def _watching() -> Callable[[float], None]:
    told: list[bool] = []

    def pause(seconds: float) -> None:
        if not told:
            say("an earlier run has not ended; looking for a few beats whether somebody works for it")
            told.append(True)
        time.sleep(seconds)

    return pause
