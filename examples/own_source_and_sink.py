"""Your own rows in, your own rows out: the products of a SQLite database get the tags of their photos.

    VISION_ENDPOINT=… VISION_KEY=… python examples/own_source_and_sink.py shop.db

Reads `products(sku, photo)`, photo being a path or URL, and writes `photo_tags(sku, tags, fault)`: one row for each
product, with its tags or with what was wrong. Products with the same photo share one call.
"""

import argparse
import json
import os
import sqlite3
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from image_analysis_beam.schemas.outcomes import Analyzed, DeadLetter, Deferred
from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest

Outcome = Analyzed | DeadLetter | Deferred
Row = tuple[str, str | None, str | None]


def read_products(database: str) -> Iterator[tuple[str, str]]:
    """`(sku, photo)`; no photo is an outcome too: a dead letter, class invalid_uri."""
    with sqlite3.connect(database) as connection:
        for sku, photo in connection.execute("SELECT sku, photo FROM products"):
            yield sku, photo or ""


def tags_or_fault(outcome: Outcome) -> tuple[str | None, str | None]:
    match outcome:
        case Analyzed():
            tags = json.loads(outcome.body)["tagsResult"]["values"]
            return json.dumps({tag["name"]: tag["confidence"] for tag in tags}), None
        case DeadLetter():
            return None, f"{outcome.fault_class}: {outcome.message}"
        case Deferred():
            return None, f"not yet, {outcome.reason}: {outcome.detail}"


class WriteRows(beam.DoFn):
    """A sink: one transaction per bundle. A runner may repeat a bundle, hence OR REPLACE."""

    def __init__(self, database: str) -> None:
        self._database = database

    def start_bundle(self) -> None:
        self._rows: list[Row] = []

    def process(self, row: Row) -> None:
        self._rows.append(row)

    def finish_bundle(self) -> None:
        with sqlite3.connect(self._database) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS photo_tags (sku PRIMARY KEY, tags, fault)")
            connection.executemany("INSERT OR REPLACE INTO photo_tags VALUES (?, ?, ?)", self._rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    arguments, beam_flags = parser.parse_known_args()
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *beam_flags])) as pipeline:
        products = pipeline | beam.Create([arguments.database]) | "ReadProducts" >> beam.FlatMap(read_products)
        calls = products | AnalyzeImages(
            AnalyzeRequest(features="tags"),
            os.environ["VISION_ENDPOINT"],
            keyed=True,
            error_handling={"output": "failed"},
        )
        outcomes = (calls["analyzed"], calls["failed"]) | beam.Flatten()
        rows = outcomes | "Rows" >> beam.MapTuple(lambda sku, outcome: (sku, *tags_or_fault(outcome)))
        rows | "WriteRows" >> beam.ParDo(WriteRows(arguments.database))


if __name__ == "__main__":
    main()
