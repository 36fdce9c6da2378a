"""`image-analysis-beam reflatten`: every section table again, from stored answers, into a fresh folder. No call is made."""

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
from ..transforms.records import RecordsToTables
from ..transforms.write_tables import WriteTables
from .flags import parse
from .job import in_memory_unless_named, name_unknown, tables_of, versions
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
    nothing = pipeline | "NothingDeferred" >> beam.Create([], reshuffle=False)
    records = [
        flattened["dead_letters"] | "Table dead_letters" >> RecordsToTables("dead_letters"),
        nothing | "Table deferred" >> RecordsToTables("deferred"),
    ]
    files = (flattened["tables"], *records) | beam.Flatten() | WriteTables(output, run_id, tables_of(False))
    counts = (
        answers | "CountAnswers" >> beam.Map(lambda table: {"recovered_extra": table.num_rows}),
        flattened["unknown_fields"] | "NameUnknown" >> beam.Map(name_unknown),
    ) | "Counts" >> beam.Flatten()
    inputs = {"files": files, "counts": counts, "dead_letters": flattened["dead_letters"], "deferred": nothing}
    inputs | AccountRun(output, run_id, _facts(stored))


def _facts(stored: str) -> dict[str, Any]:
    return {
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "reflattened_from": stored,
        "schema_version": SCHEMA_VERSION,
        "versions": versions(),
    }
