"""`image-analysis-beam reflatten`: every section table again, from stored answers, to a fresh folder. Calls nothing."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.ledger.layout import Layout, new_run_id
from ..transforms.ledger.log import committed_runs
from ..transforms.read_answers import ReadAnswers
from ..transforms.write_run import WriteRun, facts_of_now
from . import runners
from .flags import parse
from .job import shard_digits
from .manifests import read_manifests
from .options import ImageAnalysisOptions
from .owner import end, own, working_for
from .paths import can_be_used, output_folder
from .summary import print_end
from .temporary import live_folder


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
        runs = committed_runs(layout)
    if runs:
        raise ConfigurationError(
            f"output {flags.output!r}", "it holds runs already", "name a folder that is not there yet"
        )
    runner = runners.in_memory_unless_named(options)
    pipeline = beam.Pipeline(runners.runner_of(options), options)
    _build(pipeline, stored, layout.output, run_id, shard_digits(runner))
    with can_be_used(layout.output):
        own(layout.output, run_id, runner, options)
    with working_for(layout, run_id):
        try:
            with live_folder():
                pipeline.run().wait_until_finish()
        except Exception:
            end(layout, run_id)
            raise
    print_end(layout.output, read_manifests(layout, [run_id])[run_id])
    return 0


def _build(pipeline: beam.Pipeline, stored: str, output: str, run_id: str, digits: int) -> None:
    answers = pipeline | "ReadAnswers" >> ReadAnswers(stored, digits)
    number = answers | "CountAnswers" >> beam.Map(lambda table: {"recovered_extra": table.num_rows})
    facts = {**facts_of_now(), "reflattened_from": stored}
    {"answers": (answers,), "counts": (number,)} | "WriteRun" >> WriteRun(output, run_id, facts)
