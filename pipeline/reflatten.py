"""`image-analysis-beam reflatten`: every section table again, from stored answers, to a fresh folder. Calls nothing."""

from __future__ import annotations

from functools import partial

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.ledger.layout import Layout, new_run_id
from ..transforms.ledger.log import history_of
from ..transforms.ledger.records import is_committed
from ..transforms.read_answers import ReadAnswers
from ..transforms.write_run import WriteRun, facts_of_now
from . import runners
from .flags import parse
from .job import shard_digits
from .manifests import read_manifests
from .options import ImageAnalysisOptions
from .owner import end, is_taken_over, own, working_for
from .paths import can_be_used, output_folder
from .run import NOT_TIDIED, how_it_stands
from .stopping import SIGNALS, Phase
from .summary import print_end
from .temporary import live_folder
from .terminal import say


def main(argv: list[str]) -> int:
    """Flattens `--stored` into `--output`; returns the exit code.

    Raises:
      ConfigurationError: a flag cannot work, or the output is not fresh.
    """
    runners.hush()
    options = parse(argv, "reflatten")
    flags = options.view_as(ImageAnalysisOptions)
    FileSystems.set_options(options)
    if not flags.stored or not flags.output:
        raise ConfigurationError("reflatten", "it reads one folder and writes another", "set --stored and --output")
    stored, layout, run_id = output_folder(flags.stored, "stored"), Layout(output_folder(flags.output)), new_run_id()
    with can_be_used(layout.output):
        _check_is_fresh(layout)
    runner = runners.in_memory_unless_named(options)
    pipeline = runners.pipeline_with(options)
    _build(pipeline, stored, layout.output, run_id, shard_digits(runner))
    with can_be_used(layout.output):
        own(layout.output, run_id, runner, options)
        _check_is_fresh(layout, run_id)
    with SIGNALS.phase(Phase(end=partial(_end_now, layout, run_id))):
        with working_for(layout, run_id), runners.begun_by(options):
            if code := _run_to_its_end(pipeline, layout, run_id):
                return code
        print_end(layout.output, read_manifests(layout, [run_id])[run_id])
    return 0


def _check_is_fresh(layout: Layout, run_id: str = "") -> None:
    """Before it is begun, and again by the owner, who ends: whoever was one meanwhile may have committed.

    Raises:
      ConfigurationError: there are tables.
    """
    committed, _ = history_of(layout, run_id)
    if committed:
        if run_id:
            end(layout, run_id)
        value, fix = f"output {layout.output!r}", "name a folder that is not there yet"
        raise ConfigurationError(value, "it holds runs already", fix)


def _run_to_its_end(pipeline: beam.Pipeline, layout: Layout, run_id: str) -> int:
    """Returns the exit code: 0 of a run that is committed."""
    try:
        with live_folder():
            pipeline.run().wait_until_finish()
    except Exception:
        record = end(layout, run_id)
        if is_taken_over(layout, run_id, record):
            line, code = how_it_stands(record)
            say(line)
            return code
        if not is_committed(record):
            raise
        say(NOT_TIDIED)
    return 0


def _end_now(layout: Layout, run_id: str) -> int:
    """After a signal: its record is made first, so that the last line is true."""
    if not is_committed(end(layout, run_id)):
        return Phase().end()
    say(f"run {run_id} is committed and complete; it was stopped after that")
    return 0


def _build(pipeline: beam.Pipeline, stored: str, output: str, run_id: str, digits: int) -> None:
    answers = pipeline | "ReadAnswers" >> ReadAnswers(stored, digits)
    number = answers | "CountAnswers" >> beam.Map(lambda table: {"recovered_extra": table.num_rows})
    facts = {**facts_of_now(), "reflattened_from": stored}
    {"answers": (answers,), "counts": (number,)} | "WriteRun" >> WriteRun(output, run_id, facts)
