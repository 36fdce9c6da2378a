"""Answers of all seven features to Parquet, beside the floor: pyarrow writing the same tables, already columnar.

Ours: batches of `responses` (what AnalyzeImages passes on) are flattened and every table is written, `responses` too.
The floor: the tables that came out, whole in memory, written by one `pyarrow.parquet.write_table` each with the same
options. Between them, what any reader of JSON has to do: the bodies parsed by `pyarrow.json`, then the floor. All in
this process, three rounds taken in turn, medians.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.transforms.window import GlobalWindow

from image_analysis_beam.schemas import PARQUET_WRITE_OPTIONS, TABLES
from image_analysis_beam.schemas.fast import parse
from image_analysis_beam.schemas.flattening import EXPECTED
from image_analysis_beam.transforms.flatten_sections import FlattenBatches
from image_analysis_beam.transforms.write_tables import ROW_GROUP_ROWS, TableFile

from .answers import make_answers
from .measure import median, print_machine, print_table

BATCH = 1000


def responses(number: int) -> list[pa.Table]:
    """Answers as tables of the schema of `responses`, in batches."""
    bodies = [body.decode() for body in make_answers(1024)]
    schema = TABLES["responses"].schema
    fixed = {
        "fingerprint": "0" * 32,
        "run_id": "20260101T000000Z-0000",
        "api_version": "2024-02-01",
        "features": ["caption", "denseCaptions", "tags", "objects", "people", "smartCrops", "read"],
        "model_name": None,
        "request_id": "00000000-0000-0000-0000-000000000000",
        "region": "Nowhere",
        "billed_units": 1,
        "latency_ms": 100.5,
        "attempts": 1,
        "maybe_billed": False,
        "bytes_sent": 64,
        "redrive_count": 0,
        "analyzed_at": datetime(2026, 1, 1, tzinfo=timezone.utc),
    }
    rows = [
        {
            **fixed,
            "image_id": f"{index * 0x9E3779B97F4A7C15 % 2**128:032x}",
            "image_uri": f"https://images.example/{index:08d}.jpg",
            "body": bodies[index % len(bodies)],
        }
        for index in range(number)
    ]
    return [pa.Table.from_pylist(rows[at : at + BATCH], schema) for at in range(0, number, BATCH)]


def flatten_and_write(batches: list[pa.Table], folder: Path) -> None:
    """As the job does: flatten each batch, gather rows to row groups, write."""
    threads = ThreadPoolExecutor(pa.cpu_count())
    files = {name: TableFile(name, str(folder / f"{name}.parquet"), threads) for name in TABLES}
    for name, table in flattened(batches):
        files[name].add(table)
    for file in files.values():
        file.flush()
    for file in files.values():
        file.close()


def flattened(batches: list[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """What `FlattenSections` makes of the batches as one bundle."""
    flatten = FlattenBatches("20260101T000000Z-0000")
    flatten.start_bundle()
    for batch in batches:
        yield from (output.value for output in flatten.process(batch, GlobalWindow()))
    yield from (output.value for output in flatten.finish_bundle())


def write_columnar(tables: dict[str, pa.Table], folder: Path) -> None:
    """The floor."""
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=ROW_GROUP_ROWS, **PARQUET_WRITE_OPTIONS)


def parse_and_write_columnar(batches: list[pa.Table], tables: dict[str, pa.Table], folder: Path) -> None:
    """The floor of what starts from JSON: nothing is checked, nothing flattened."""
    for batch in batches:
        parse(pa.concat_arrays(batch["body"].chunks), EXPECTED)
    write_columnar(tables, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    batches = responses(flags.images)
    ours, parsed, floor = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        flatten_and_write(batches, folder)
        tables = {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}
        for _ in range(flags.rounds):
            ours.append(_seconds(flatten_and_write, batches, folder))
            groups = {name: pq.read_metadata(folder / f"{name}.parquet") for name in TABLES}
            parsed.append(_seconds(parse_and_write_columnar, batches, tables, folder))
            floor.append(_seconds(write_columnar, tables, folder))
    rows = sum(table.num_rows for table in tables.values())
    print_machine()
    print_table(
        f"{flags.images:,} answers, {rows / flags.images:.0f} rows each",
        ["", "images/s", "rows/s", "share of the floor"],
        [
            [name, flags.images / median(seconds), rows / median(seconds), median(floor) / median(seconds)]
            for name, seconds in (
                ("flatten and write", ours),
                ("pyarrow parses the JSON, and writes the columns", parsed),
                ("the floor: pyarrow writes the columns", floor),
            )
        ],
    )
    print_table(
        "Row groups",
        ["table", "rows", "row groups", "rows in the smallest but the last"],
        [[name, file.num_rows, file.num_row_groups, _smallest(file)] for name, file in groups.items() if file.num_rows],
    )


def _smallest(file: pq.FileMetaData) -> int:
    sizes = [file.row_group(number).num_rows for number in range(file.num_row_groups)]
    return min(sizes[:-1] or sizes)


def _seconds(function, *arguments) -> float:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
