"""How a run grows with its images: the formulas of `docs/scaling.md`, with the constants of the code."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pyarrow as pa

from image_analysis_beam.pipeline.job import shard_digits
from image_analysis_beam.pipeline.runners import DATAFLOW_RUNNER
from image_analysis_beam.pipeline.workers import DEFAULT_VCPUS, workers_to_carry
from image_analysis_beam.schemas import TABLES, flatten
from image_analysis_beam.transforms.analyze_images import BATCH_SIZE
from image_analysis_beam.transforms.endpoint.request import FEATURES, AnalyzeRequest
from image_analysis_beam.transforms.endpoint.settings import CallSettings
from image_analysis_beam.transforms.ledger.journal import SEGMENT_SECONDS
from image_analysis_beam.transforms.prices import Prices
from image_analysis_beam.transforms.write_tables import ROW_GROUP_BYTES, ROW_GROUP_ROWS, TableFile

from ..answers import make_answers

BATCH = 256


class Growth(NamedTuple):
    """What a run of so many images at a rate takes."""

    images: int
    rate: float
    seconds: float
    vms: int
    processes: int
    share: float
    cost: float
    segments: int
    shard_images: int


def growth(images: int, rate: float, features: str) -> Growth:
    """On Dataflow's default machines, with the flags' defaults."""
    settings = CallSettings()
    vms = workers_to_carry(rate, settings.max_in_flight, DEFAULT_VCPUS)
    processes = vms * DEFAULT_VCPUS
    share = rate / processes
    seconds = images / rate
    segments = processes * seconds / min(SEGMENT_SECONDS + 1 / share, BATCH_SIZE / share)
    return Growth(
        images,
        rate,
        seconds,
        vms,
        processes,
        share,
        float(Prices().cost(dict.fromkeys(AnalyzeRequest(features=features).features, images))),
        math.ceil(min(images, segments)),
        math.ceil(images / 16 ** shard_digits(DATAFLOW_RUNNER)),
    )


class Size(NamedTuple):
    """Of one table, per image: rows, bytes as Parquet and as Arrow; and what a writer holds of it, in bytes."""

    table: str
    rows: float
    parquet: float
    arrow: float
    held: float


def measure_sizes(images: int = 20_000) -> list[Size]:
    """Writes answers of all features as the job does, and looks at what came out."""
    arrow = dict.fromkeys(TABLES, 0)
    with tempfile.TemporaryDirectory() as folder:
        threads = ThreadPoolExecutor(pa.cpu_count())
        files = {name: TableFile(name, str(Path(folder) / f"{name}.parquet"), threads) for name in TABLES}
        for batch in _responses(images):
            flattened = flatten(batch)
            for name, table in {"responses": batch, **flattened.tables}.items():
                files[name].add(table)
                arrow[name] += table.nbytes
        written = {name: file.close() for name, file in files.items()}
        return [
            _size(name, file.rows, Path(file.path).stat().st_size, arrow[name], images)
            for name, file in written.items()
            if file.rows
        ]


def _size(table: str, rows: int, parquet: int, arrow: int, images: int) -> Size:
    held = min(ROW_GROUP_BYTES, ROW_GROUP_ROWS * arrow / rows)
    return Size(table, rows / images, parquet / images, arrow / images, held)


def _responses(images: int) -> Iterator[pa.Table]:
    source, schema = random.Random(1), TABLES["responses"].schema
    rows = [_response(source, number, body) for number, body in enumerate(make_answers(images))]
    for first in range(0, images, BATCH):
        yield pa.Table.from_pylist(rows[first : first + BATCH], schema)


def _response(source: random.Random, number: int, body: bytes) -> dict[str, object]:
    return {
        "image_id": f"{source.getrandbits(128):032x}",
        "image_uri": f"https://images.example/{number:08d}.jpg",
        "fingerprint": "0" * 32,
        "run_id": "20260101T000000Z-0000",
        "api_version": "2024-02-01",
        "features": list(FEATURES),
        "body": body.decode(),
        "request_id": str(UUID(int=source.getrandbits(128))),
        "region": "westeurope",
        "billed_units": 1,
        "latency_ms": source.lognormvariate(6, 0.4),
        "attempts": 1,
        "maybe_billed": False,
        "bytes_sent": 64,
        "redrive_count": 0,
        "analyzed_at": datetime.fromtimestamp(1.8e9 + number / 100, timezone.utc),
    }
