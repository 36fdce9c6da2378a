"""`image-analysis-beam run`: one run of the job, from the command line to the exit code."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import apache_beam as beam
from tqdm import tqdm

from ..transforms.account_run import UNBALANCED
from ..transforms.endpoint.secret_services import within
from ..transforms.ledger.layout import Layout, new_run_id
from ..transforms.ledger.members import Member
from ..transforms.ledger.records import Record, TakenOver, is_committed
from ..transforms.ledger.start import Started
from ..transforms.live_counts import has_begun_to_call, stop_run
from . import failures, runners
from .beforehand import check_keys
from .dataflow import job_of
from .flags import parse
from .job import JobConfig, build, configure
from .manifests import read_manifests
from .owner import end, is_taken_over, own, working_for
from .paths import can_be_used
from .progress import shown
from .report import report_line
from .stopping import SIGNALS, Phase
from .summary import closed_lines, incomplete_lines, print_end, too_many
from .temporary import live_folder, remove_folder
from .terminal import say, silence
from .troubleshooting import EXIT_CODES, INTERRUPTED, STORAGE, advice, with_link
from .workers import ON_THIS_MACHINE

INCOMPLETE, ACCOUNTING_FAILED = 3, 4
NOT_TIDIED = "the run is committed; what it need not keep could not all be removed, the next run does that"
_A_MOMENT, _TO_DECIDE = 0.2, 1.5  # seconds
_GO_ON = "what was answered before is in the journal; when storage is well, run the same command again to go on"
_INTERRUPTED = "incomplete: interrupted; what was answered is in the journal; run the same command again to go on"


def main(argv: list[str]) -> int:
    """Runs the job; returns the exit code.

    Raises:
      ConfigurationError: a flag cannot work.
    """
    runners.hush()
    runners.end_servers_with_us()
    config = configure(parse(argv))
    run_id, layout = new_run_id(), Layout(config.output)
    pipeline = runners.pipeline_with(config.options)
    build(pipeline, config, run_id)
    check_keys(config.resources, config.request, config.runner)
    with can_be_used(config.output):
        started = own(config.output, run_id, config.runner, config.options, config.flags.take_over, config.request)
    with working_for(layout, run_id) as member, live_folder() as folder:
        try:
            _say_start(config, started)
            _run_to_its_end(pipeline, config, layout, member, folder)
        except Exception as error:
            return _end_of_failed(config, layout, run_id, error, folder)
        except BaseException:  # the program that this is part of goes on
            end(layout, run_id)
            raise
        if not config.is_local:
            say(f"submitted; when it has ended, the manifest is {layout.record(run_id)}")
            return 0
    return _report_end(config, read_manifests(layout, [run_id])[run_id])


def _end_of_failed(config: JobConfig, layout: Layout, run_id: str, error: Exception, folder: Path | None) -> int:
    """Ends a run whose pipeline failed, unless its end is decided: then that counts."""
    record = end(layout, run_id)
    if not is_taken_over(layout, run_id, record) and not SIGNALS.have_come:
        if not is_committed(record):
            return _report_failure(config, error, folder)
        say(NOT_TIDIED)
        return _report_end(config, read_manifests(layout, [run_id])[run_id])
    line, code = how_it_stands(record)
    say(line)
    return code


def _report_failure(config: JobConfig, error: Exception, folder: Path | None) -> int:
    """Says what has stopped calls, and returns the exit code; a bug is raised, and what came before all calls."""
    unbalanced = next((line for line in str(error).splitlines() if UNBALANCED in line), None)
    if unbalanced is not None:
        say(with_link(f"image-analysis-beam: {unbalanced.strip()}", EXIT_CODES[ACCOUNTING_FAILED]))
        return ACCOUNTING_FAILED
    stored = failures.storage_failure(error)
    if stored is None or failures.configuration_error(error) or _is_before_all_calls(config, folder):
        raise error
    say(with_link(f"incomplete: storage failed, with output {config.output!r}: {stored}; {_GO_ON}", STORAGE))
    return INCOMPLETE


def _is_before_all_calls(config: JobConfig, folder: Path | None) -> bool:
    if config.is_local and config.runner not in ON_THIS_MACHINE:
        return False
    return folder is not None and not has_begun_to_call(folder)


def _run_to_its_end(
    pipeline: beam.Pipeline, config: JobConfig, layout: Layout, member: Member, folder: Path | None
) -> None:
    """Runs it, or submits it to another machine; shows how it goes, and stops it when told to."""
    if not config.is_local:
        with runners.begun_by(config.options):
            submitted = pipeline.run()
        member.note({"job": job_of(submitted, config.options)})
        if member.is_over:  # it took long to submit
            with suppress(Exception):
                submitted.cancel()
            raise TakenOver
        return
    started: list[beam.runners.runner.PipelineResult] = []
    with (
        SIGNALS.phase(Phase(_stop_calls, partial(_end_now, folder, started, partial(end, layout, member.run_id)))),
        shown(folder, config.flags.quiet),
    ):
        with runners.begun_by(config.options):
            started.append(pipeline.run())
        started[0].wait_until_finish()


def _stop_calls() -> bool:
    """The first Ctrl-C: calls in flight end and the rest is deferred; while planning there is nothing to wait for."""
    are_calling = stop_run()
    if are_calling:
        say("stopping: calls in flight end, the rest is deferred; Ctrl-C again stops at once")
    return are_calling


def _end_now(
    folder: Path | None, started: list[beam.runners.runner.PipelineResult], decide: Callable[[], Record | None]
) -> int:
    """As if killed: answers are in the journal. A job on a cluster is cancelled, and what was started for it ends.

    Returns the exit code. The run's record is made first, so that the last line is true: nothing commits after it.
    """
    for bar in list(tqdm._instances):
        bar.close()
    sleep(_A_MOMENT)  # for journals to be written
    try:
        record = within(_TO_DECIDE, decide)
    except Exception:  # whatever the storage's client raises
        record = None
    line, code = how_it_stands(record)
    say(line)
    silence()  # what Beam says of processes that are gone
    if folder:
        remove_folder(folder)  # without it, the other processes of the run end
        sleep(_A_MOMENT)
    for result in started:
        with suppress(Exception):
            result.cancel()
    atexit._run_exitfuncs()
    return code


def how_it_stands(record: Record | None) -> tuple[str, int]:
    """The last line of a run that did not go its way, by its record, and its exit code."""
    if record is None or not is_committed(record):
        if record is None or record["by"] == record["run_id"]:
            return with_link(_INTERRUPTED, INTERRUPTED), INCOMPLETE
        who = f"run {record['run_id']} was taken over by {record['by']}"
        line = f"image-analysis-beam: {who}; what it had answered counts there; wait for its end"
        return with_link(line, EXIT_CODES[failures.OWNED]), failures.OWNED
    run, deferred = record["run_id"], record["conservation"]["deferred"]
    if deferred == 0:
        line = f"run {run} is committed and complete; it was stopped when only its report was missing"
        return (too_many(record), INCOMPLETE) if record["exit_status"] else (line, 0)
    line = f"incomplete: {deferred} images deferred; run {run} is committed; {advice(INTERRUPTED)}"
    return with_link(line, INTERRUPTED), INCOMPLETE


def _say_start(config: JobConfig, started: Started) -> None:
    where = " in memory on this machine" if config.is_in_memory else ""
    say(f"run {started.run_id}{where} (runner {config.runner})")
    if started.fenced:
        say(f"taking over the answers of {', '.join(started.fenced)}, which did not end")


def _report_end(config: JobConfig, manifest: dict[str, Any]) -> int:
    code: int = manifest["exit_status"]
    with SIGNALS.phase(Phase(end=partial(_end_without_report, manifest))):
        report = report_line(config.output)
    print_end(config.output, manifest, report)
    for line in closed_lines(manifest, len(config.resources)):
        say(line)
    for line in incomplete_lines(config.output, manifest):
        say(line)
    return code


def _end_without_report(manifest: Record) -> int:
    line, code = how_it_stands(manifest)
    say(line)
    return code
