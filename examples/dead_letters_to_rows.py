"""Images without an answer as rows for BigQuery, through Beam's `ErrorHandler`.

    VISION_ENDPOINT=… VISION_KEY=… python examples/dead_letters_to_rows.py uris.txt out/

Writes JSON lines `out/{captions,dead_letters,deferred}-*.jsonl`, whose fields are the columns of the tables of
`deploy/bigquery/tables.sql`:

    bq load --source_format=NEWLINE_DELIMITED_JSON DATASET.dead_letters 'gs://bucket/out/dead_letters-*.jsonl'

With no files between: `beam.io.WriteToBigQuery("PROJECT:DATASET.dead_letters", create_disposition="CREATE_NEVER")`.
"""

import argparse
import json
import os
from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.error_handling import ErrorHandler

from image_analysis_beam.transforms import (
    AnalyzeImages,
    AnalyzeRequest,
    FlattenSections,
    ReadImageUris,
    RecordsToTables,
    new_run_id,
)


@beam.ptransform_fn
def WriteJsonRows(tables: beam.PCollection, path: str) -> beam.PCollection:
    """PCollection of `(table name, pa.Table)` -> JSON lines of them."""
    return tables | beam.Values() | beam.FlatMap(json_rows) | beam.io.WriteToText(path, ".jsonl")


@beam.ptransform_fn
def WriteFailures(failures: beam.PCollection, folder: str) -> beam.PCollection:
    """Dead letters, and images that are to be tried again, to a file of their own each."""
    tables = failures | RecordsToTables()
    for name in ("dead_letters", "deferred"):
        rows = tables | f"Only {name}" >> beam.Filter(lambda named, name: named[0] == name, name)
        rows | f"Write {name}" >> WriteJsonRows(f"{folder}/{name}")
    return tables


def json_rows(table: pa.Table) -> Iterator[str]:
    """Times become ISO 8601, which BigQuery reads as TIMESTAMP."""
    for row in table.to_pylist():
        yield json.dumps(row, default=lambda time: time.isoformat())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uris")
    parser.add_argument("output")
    arguments, beam_flags = parser.parse_known_args()
    output, run_id = arguments.output.rstrip("/"), new_run_id()
    analyze = AnalyzeImages(AnalyzeRequest(features="caption"), os.environ["VISION_ENDPOINT"], run_id=run_id)
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *beam_flags])) as pipeline:
        images = pipeline | ReadImageUris([arguments.uris])
        with ErrorHandler(WriteFailures(output)) as errors:
            calls = images | analyze.with_error_handler(errors)
            answers = calls["analyzed"] | RecordsToTables() | beam.Values()
            sections = answers | FlattenSections(run_id)
            errors.add_error_pcollection(sections["dead_letters"])  # answers that are not the contract
        captions = sections["tables"] | beam.Filter(lambda named: named[0] == "captions")
        captions | "Captions" >> WriteJsonRows(f"{output}/captions")


if __name__ == "__main__":
    main()
