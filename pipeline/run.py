"""`image-analysis-beam run`: one run of the job, from the command line to the exit code."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
from tqdm import tqdm

from ..transforms import storage
from ..transforms.account_run import UNBALANCED
from ..transforms.analyze_images import defer_the_rest
from ..transforms.endpoint.faults import FAULTS
from ..transforms.layout import Layout, new_run_id
from .flags import parse
from .job import JobConfig, build, configure
from .progress import shown
from .report import report_line

INCOMPLETE, ACCOUNTING_FAILED = 3, 4
_WHY_SKIPPED = {
    "answered": "answered before",
    "known_bad": "known to be bad",
    "redrives_spent": "called often enough",
}
_WHAT_TO_DO = {
    "outage": "run the same command again when the service is well",
    "throttled": "run the same command again, with a lower --requests_per_second",
    "over_budget": "run the same command again to go on",
    "interrupted": "run the same command again to go on",
}


def main(argv: list[str]) -> int:
    """Runs the job; returns the exit code.

    Raises:
      ConfigurationError: a flag cannot work.
    """
    _hush_workers()
    config = configure(parse(argv))
    run_id, layout = new_run_id(), Layout(config.output)
    layout.tidy()
    dead_runs = layout.dead_runs(but=run_id)
    pipeline = beam.Pipeline(options=config.options)
    build(pipeline, config, run_id, dead_runs)
    _say_start(config, run_id, dead_runs)
    layout.mark_started(run_id, local=config.is_local)
    interrupted = threading.Event()
    try:
        with _stopping_cleanly(interrupted), _progress(config):
            _set_aside_what_stays()
            result = pipeline.run()
            if config.is_local:
                result.wait_until_finish()
    except (Exception, KeyboardInterrupt) as error:
        if interrupted.is_set():
            _say("incomplete: interrupted; what was answered is in the journal; run the same command again to go on")
            return INCOMPLETE
        failed = next((line for line in str(error).splitlines() if UNBALANCED in line), None)
        if failed is None:
            raise
        _say(f"image-analysis-beam: {failed.strip()}")
        return ACCOUNTING_FAILED
    if not config.is_local:
        _say(f"submitted; when it has ended, the manifest is {layout.manifest(run_id)}")
        return 0
    return _report_end(config, storage.read_json(layout.manifest(run_id)))


def _progress(config: JobConfig) -> AbstractContextManager[None]:
    return shown(config.flags.max_calls) if config.is_local and not config.flags.quiet else nullcontext()


@contextmanager
def _stopping_cleanly(interrupted: threading.Event) -> Iterator[None]:
    """On the first Ctrl-C, calls in flight end and the rest is deferred; the second one is Python's own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, usual)
        interrupted.set()
        _say("stopping: calls in flight end, the rest is deferred; Ctrl-C again stops at once")
        # A thread of its own: the handler may have interrupted a holder of the lock that this takes.
        threading.Thread(target=defer_the_rest, args=("interrupted", "stopped by Ctrl-C")).start()

    usual = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _set_aside_what_stays() -> None:
    """Keeps the collector from going through all that is imported: it would stop every call for a tenth of a second."""
    gc.collect()
    gc.freeze()


def _hush_workers() -> None:
    """Workers of the multi-processing mode warn of a main session that is not there; ours registers nothing in it."""
    logger = logging.getLogger("apache_beam.runners.portability.local_job_service")
    logger.addFilter(lambda record: "semi_persistent_directory" not in record.getMessage())


def _say_start(config: JobConfig, run_id: str, dead_runs: list[str]) -> None:
    where = " in memory on this machine" if config.is_in_memory else ""
    _say(f"run {run_id}{where} (runner {config.runner})")
    if dead_runs:
        _say(f"taking over the answers of {', '.join(dead_runs)}, which did not end")


def _report_end(config: JobConfig, manifest: dict[str, Any]) -> int:
    print_end(config.output, manifest)
    print(report_line(config.output, manifest["run_id"], config.flags.prices))
    if not manifest["complete"]:
        for line in incomplete_lines(config.output, manifest):
            _say(line)
    return INCOMPLETE if not manifest["complete"] else 0


def print_end(output: str, manifest: dict[str, Any]) -> None:
    """What happened, and where the tables are."""
    print(summary(manifest))
    print(f"tables: {output}/<table>/run={manifest['run_id']}/*.parquet")


def summary(manifest: dict[str, Any]) -> str:
    """The run in one line."""
    accounts, attempts = manifest["conservation"], manifest["calls"]["attempts"]
    extra = f" (and {accounts['recovered_extra']} recovered)" if accounts["recovered_extra"] else ""
    reasons = ", ".join(f"{number} {_WHY_SKIPPED[reason]}" for reason, number in manifest["skipped"].items())
    why_skipped = f" ({reasons})" if reasons else ""
    return (
        f"{accounts['input']} images{extra}: {accounts['analyzed']} analyzed, {accounts['dead_letters']} dead letters, "
        f"{accounts['deferred']} deferred, {accounts['skipped']} skipped{why_skipped}, "
        f"{accounts['duplicates']} duplicates; {attempts} calls made"
    )


def incomplete_lines(output: str, manifest: dict[str, Any]) -> list[str]:
    """One line per reason for which images were deferred: what happened, and what to do."""
    details: dict[str, str] = {}
    for name in manifest["tables"]["deferred"]["files"]:
        with storage.open_bytes(storage.join(output, name)) as file:
            rows = pq.read_table(file, columns=["reason", "detail"])
        for reason, detail in zip(rows["reason"].to_pylist(), rows["detail"].to_pylist(), strict=True):
            details.setdefault(reason, detail)
    lines = []
    for reason, number in manifest["deferred"].items():
        fix = _WHAT_TO_DO.get(reason) or (FAULTS[reason].fix if reason in FAULTS else "run the same command again")
        lines.append(f"incomplete: {number} images deferred, {reason}: {details.get(reason, '')}; {fix}")
    return lines


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)  # between the progress line's redraws
