"""What the answers say, read from the tables in one pass over each: frequencies, distributions, the gallery."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ...schemas import TABLES
from ...schemas.table import TableSpec
from .aggregates import Bucket, Confidences, Latencies, Names
from .gallery import Card, make_cards
from .layers import is_drawn
from .newest import KEY, Newest
from .reading import Folder, batches
from .sample import Candidates, Collector

MOST_FREQUENT = 15
_EMULATOR = "-emulator"  # what the emulator's versions of the model end in
_WITH_TEXT = {"captions"}  # shown in the gallery beside the tables that are drawn or name things


class Frequency(NamedTuple):
    """The most frequent names of one table."""

    table: str
    names: list[tuple[str, int]]
    different: int
    is_exact: bool


class Distribution(NamedTuple):
    """The confidences of one table."""

    table: str
    bins: list[int]
    total: int


class Findings(NamedTuple):
    """What is known of what a run asks. `answers` is the number of images that it is known of, by `runs` runs;
    `emulated` of the answers are an emulator's.
    """

    answers: int
    emulated: int
    runs: int
    latencies: list[Bucket]
    frequencies: list[Frequency]
    distributions: list[Distribution]
    cards: list[Card]


def read_findings(folder: Folder) -> Findings:
    """Reads the tables of the run, and of earlier ones that answered something of what it asks."""
    runs, candidates, emulated = folder.answering, Candidates(), 0
    newest = Newest(folder.request, folder.answers, len(runs) > 1)
    for batch in batches(folder.output, runs, "images", [*KEY, "image_uri", "width", "height", "model_version"]):
        rows = newest.add(batch)
        emulated += pc.sum(pc.ends_with(rows["model_version"], _EMULATOR)).as_py() or 0
        with_a_size = rows.filter(pc.and_(pc.greater(rows["width"], 0), pc.greater(rows["height"], 0)))
        if with_a_size.num_rows:
            candidates.add(with_a_size)
    images = _with_paths(folder, candidates.rows())
    collector = Collector(images)
    frequencies, distributions = [], []
    for spec in TABLES.values():
        if spec.kind == "section" and spec.name != "images" and newest.has(spec):
            names, confidences = _read_section(folder, spec, newest, collector)
            if len(names):
                common = names.most_common(MOST_FREQUENT)
                frequencies.append(Frequency(spec.name, common, len(names), names.is_exact))
            if confidences.total:
                distributions.append(Distribution(spec.name, confidences.bins, confidences.total))
    cards = make_cards(images, collector.items())
    return Findings(newest.images, emulated, len(runs), read_latencies(folder), frequencies, distributions, cards)


def _with_paths(folder: Folder, images: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The images with their absolute paths, as lists that were read have them."""
    ids = pa.array(images, pa.string())
    for rows in batches(folder.output, folder.runs, "inputs", ["image_id", "path"]):
        for row in rows.filter(pc.is_in(rows["image_id"], ids)).to_pylist():
            images[row["image_id"]]["path"] = row["path"]
    return images


def _read_section(folder: Folder, spec: TableSpec, newest: Newest, collector: Collector) -> tuple[Names, Confidences]:
    """Adds up one section table, and hands the rows of the sampled images to the collector."""
    names, confidences, columns = Names(), Confidences(), set(spec.schema.names)
    is_shown = is_drawn(spec) or "name" in columns or spec.name in _WITH_TEXT
    if not is_shown and "confidence" not in columns:
        return names, confidences
    wanted = [*KEY, "ordinal", *_shown_columns(spec)] if is_shown else [*KEY, "confidence"]
    for batch in batches(folder.output, folder.answering, spec.name, wanted):
        rows = newest.rows(spec, batch)
        if "name" in rows.schema.names:
            names.add(rows["name"])
        if "confidence" in rows.schema.names:
            confidences.add(rows["confidence"])
        if is_shown:
            collector.add(spec.name, rows)
    return names, confidences


def _shown_columns(spec: TableSpec) -> list[str]:
    shown = ("name", "text", "confidence", "aspect_ratio", "x", "y", "w", "h", "polygon")
    return [name for name in shown if name in spec.schema.names]


def read_latencies(folder: Folder) -> list[Bucket]:
    """Latencies of the run's own answers."""
    latencies = Latencies()
    for rows in batches(folder.output, [folder.run], "images", ["latency_ms"]):
        latencies.add(rows["latency_ms"])
    return latencies.buckets()
