"""A pipeline as a user writes it, checked with `mypy --strict` against the installed wheel, and run by `use.py`."""

from __future__ import annotations

import sys

import apache_beam as beam

import image_analysis_beam
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.schemas.outcomes import Analyzed
from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings


def id_and_size(answer: Analyzed) -> tuple[str, int]:
    return answer.image_id, len(answer.body)


def main(endpoint: str, images: list[str]) -> None:
    request: AnalyzeRequest = AnalyzeRequest(features="tags")
    settings: CallSettings = CallSettings(requests_per_second=50)
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        calls = (
            pipeline
            | beam.Create(images)
            | AnalyzeImages(request, endpoint, settings=settings, error_handling={"output": "failures"})
        )
        calls["analyzed"] | beam.Map(id_and_size) | "Answers" >> beam.Map(print)
        calls["failures"] | "Failures" >> beam.Map(print)


if __name__ == "__main__":
    version: str = image_analysis_beam.__version__
    columns: int = len(TABLES["tags"].schema)
    print(version, columns)
    main(sys.argv[1], sys.argv[2:])
