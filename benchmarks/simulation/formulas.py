"""The formulas of `docs/scaling.md`, with the constants of the code in them."""

from __future__ import annotations

from image_analysis_beam.pipeline.job import shard_digits
from image_analysis_beam.pipeline.options import ImageAnalysisOptions
from image_analysis_beam.pipeline.runners import DATAFLOW_RUNNER, IN_MEMORY_RUNNER
from image_analysis_beam.pipeline.workers import ASSUMED_LATENCY, DEFAULT_VCPUS
from image_analysis_beam.transforms.analyze_images import BATCH_SIZE
from image_analysis_beam.transforms.endpoint.pacer import (
    GRID_BELOW,
    HEADROOM,
    SHARED_HEADROOM,
    THIN,
    THIN_HEADROOM,
)
from image_analysis_beam.transforms.endpoint.settings import CallSettings
from image_analysis_beam.transforms.ledger.journal import SEGMENT_SECONDS
from image_analysis_beam.transforms.prices import INDICATIVE
from image_analysis_beam.transforms.write_tables import FILE_BYTES

_SETTINGS = CallSettings()
_SHARDS, _IN_MEMORY = (16 ** shard_digits(runner) for runner in (DATAFLOW_RUNNER, IN_MEMORY_RUNNER))
_HELD = 2 * _SETTINGS.max_in_flight + ImageAnalysisOptions([]).batch_size

_PRICES = "; ".join(
    f"{price:g} for {', '.join(feature for feature in INDICATIVE if INDICATIVE[feature] == price)}"
    for price in sorted(set(INDICATIVE.values()))
)

FORMULAS = (
    ("calls", "N, and what is tried again: 429s (not billed), errors of the service, calls without an answer"),
    (
        "cost",
        f"N x sum of the features' prices / 1 000 (a transaction per feature); if every answer were lost on the way, "
        f"{1 + _SETTINGS.ambiguous_retries} times that (`--ambiguous_retries`)",
    ),
    ("built-in prices", f"USD per 1 000, indicative (`--prices` takes yours): {_PRICES}"),
    (
        "VMs, processes P",
        f"R x {ASSUMED_LATENCY:g} s / (max_in_flight x vCPUs), rounded up; P = VMs x vCPUs; "
        f"{_SETTINGS.max_in_flight} in flight and {DEFAULT_VCPUS} vCPUs unless told",
    ),
    (
        "share of a process",
        f"R / P, of which {HEADROOM:.0%} are used; {SHARED_HEADROOM:.1%} from {GRID_BELOW:g} calls/s on where P > 1, "
        f"{THIN_HEADROOM:.0%} below {THIN:g} call/s where it is fixed",
    ),
    ("images held by a process", f"2 x max_in_flight + batch_size = {_HELD}"),
    ("time", f"N / R / {HEADROOM:g}, the start of the workers, and at the end up to {_HELD} x P / R"),
    (
        "journal segments",
        f"one for a batch ({BATCH_SIZE} images) and {SEGMENT_SECONDS:g} s, and a claim for each batch: "
        f"N / {BATCH_SIZE}, or P x time / ({SEGMENT_SECONDS:g} s + P / R) where that is more",
    ),
    ("files of a table", f"bundles, and one more for every {FILE_BYTES / 2**30:g} GiB of it in memory"),
    ("images planned at once", f"N / {_SHARDS}, in memory N / {_IN_MEMORY}: planning is by shards of the image id"),
)
