"""`image-analysis-beam reflatten`: every section table again, from stored answers, to a fresh folder. Calls nothing."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import apache_beam as beam

from ..schemas import SCHEMA_VERSION
from ..transforms import storage
from ..transforms.account_run import AccountRun
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.flatten_sections import FlattenSections
from ..transforms.layout import Layout, new_run_id
from ..transforms.read_answers import ReadAnswers
from ..transforms.write_tables import WriteTables
from .flags import parse
from .job import accounts, in_memory_unless_named, record_counts, record_tables, tables_of, versions
from .options import ImageAnalysisOptions
from .run import print_end


def main(argv: list[str]) -> int:
    """Flattens `--stored` into `--output`; returns the exit code.

    Raises:
      ConfigurationError: a flag cannot work, or the output is not fresh.
    """
    options = parse(argv, "reflatten")
    flags = options.view_as(ImageAnalysisOptions)
    if not flags.stored or not flags.output:
        raise ConfigurationError("reflatten", "it reads one folder and writes another", "set --stored and --output")
    layout, run_id = Layout(flags.output.rstrip("/")), new_run_id()
    if layout.committed_runs():
        raise ConfigurationError(
            f"output {flags.output!r}", "it holds runs already", "name a folder that is not there yet"
        )
    in_memory_unless_named(options)
    pipeline = beam.Pipeline(options=options)
    _build(pipeline, flags.stored, layout.output, run_id)
    layout.mark_started(run_id, local=True)
    pipeline.run().wait_until_finish()
    print_end(layout.output, storage.read_json(layout.manifest(run_id)))
    return 0


def _build(pipeline: beam.Pipeline, stored: str, output: str, run_id: str) -> None:
    answers = pipeline | "ReadAnswers" >> ReadAnswers(stored)
    flattened = answers | "FlattenSections" >> FlattenSections(run_id)
    records = {"dead_letters": [flattened["dead_letters"]]}
    tables = (flattened["tables"], *record_tables(records))
    files = tables | WriteTables(output, run_id, tables_of(False))
    number = answers | "CountAnswers" >> beam.Map(lambda table: {"recovered_extra": table.num_rows})
    counts = [number, flattened["counts"], *record_counts(records)]
    accounts(files, counts) | AccountRun(output, run_id, _facts(stored))


def _facts(stored: str) -> dict[str, Any]:
    return {
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "reflattened_from": stored,
        "schema_version": SCHEMA_VERSION,
        "versions": versions(),
    }
