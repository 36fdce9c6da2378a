"""A custom model on a list of images: its classes and objects as Parquet, and the images it gave no answer for.

    VISION_ENDPOINT=… VISION_KEY=… python examples/custom_model.py MODEL uris.txt out/

Writes `out/{custom_tags,custom_objects,dead_letters,deferred}/run=<run id>/*.parquet`: a classifier fills
`custom_tags`, a detector `custom_objects`. `AnalyzeRequest` picks a preview api-version, the only kind that knows
custom models. The public service retired those in March 2025; where it answers 410, every image is deferred.
"""

import argparse
import os

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from image_analysis_beam.transforms import (
    AnalyzeImages,
    AnalyzeRequest,
    FlattenSections,
    ReadImageUris,
    RecordsToTables,
    WriteTables,
    new_run_id,
)

SECTIONS = ("custom_tags", "custom_objects")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("uris")
    parser.add_argument("output")
    arguments, beam_flags = parser.parse_known_args()
    run_id = new_run_id()
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *beam_flags])) as pipeline:
        calls = (
            pipeline
            | ReadImageUris([arguments.uris])
            | AnalyzeImages(
                AnalyzeRequest(model_name=arguments.model),
                os.environ["VISION_ENDPOINT"],
                run_id=run_id,
                error_handling={"output": "failures"},
            )
        )
        flattened = calls["analyzed"] | RecordsToTables() | beam.Values() | FlattenSections(run_id)
        failures = (calls["failures"], flattened["dead_letters"]) | beam.Flatten()
        branches = (
            flattened["tables"] | "Sections" >> beam.Filter(lambda rows: rows[0] in SECTIONS),
            failures | "Failures" >> RecordsToTables(),
        )
        files = branches | WriteTables(arguments.output, run_id, [*SECTIONS, "dead_letters", "deferred"])
        files | beam.FlatMap(lambda written: written) | beam.Map(lambda file: print(f"{file.path}: {file.rows} rows"))


if __name__ == "__main__":
    main()
