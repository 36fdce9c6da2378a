"""What the report reads: manifests of committed runs, and batches of a few columns of their tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ...transforms import storage
from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.layout import Layout

MOST_RUNS = 200  # manifests that are read for the folder's totals, the newest ones
MOST_IMAGES = 200_000  # earlier runs join the answers that are shown until there are so many
_BATCH_ROWS = 16_384

Manifest = dict[str, Any]


class Folder(NamedTuple):
    """An output folder: the run that is reported, and the committed runs around it, oldest first."""

    output: str
    run: Manifest
    runs: list[Manifest]
    number_of_runs: int

    @property
    def same_request(self) -> list[Manifest]:
        """The run and the ones before it that asked the same, newest first, up to `MOST_IMAGES`."""
        chosen, images = [self.run], _images(self.run)
        for manifest in reversed(self.runs):
            is_earlier = manifest["run_id"] < self.run["run_id"]
            if is_earlier and manifest.get("fingerprint") == self.run.get("fingerprint"):
                images += _images(manifest)
                if images > MOST_IMAGES:
                    break
                chosen.append(manifest)
        return chosen


def read_folder(output: str, run_id: str | None = None) -> Folder:
    """The folder with one run in view, the latest where none is named.

    Raises:
      ConfigurationError: there is no such committed run.
    """
    layout = Layout(output.rstrip("/"))
    committed = layout.committed_runs()
    if not committed:
        raise ConfigurationError(f"output {output!r}", "it holds no committed run", "run the job first")
    wanted = run_id or committed[-1]
    if wanted not in committed:
        raise ConfigurationError(f"run {wanted!r}", f"{output} holds no such committed run", f"try {committed[-1]}")
    names = committed[-MOST_RUNS:]
    manifests = {name: storage.read_json(layout.manifest(name)) for name in dict.fromkeys([*names, wanted])}
    return Folder(layout.output, manifests[wanted], [manifests[name] for name in names], len(committed))


def batches(output: str, manifests: Iterable[Manifest], table: str, columns: list[str]) -> Iterator[pa.Table]:
    """A table's rows in the given runs, some thousands at a time, with those of `columns` that each file has."""
    for manifest in manifests:
        for name in manifest["tables"].get(table, {"files": []})["files"]:
            with storage.open_bytes(storage.join(output, name)) as source:
                file = pq.ParquetFile(source)
                there = [column for column in columns if column in file.schema_arrow.names]
                yield from map(_table, file.iter_batches(_BATCH_ROWS, columns=there))


def _table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])


def _images(manifest: Manifest) -> int:
    return int(manifest["tables"].get("images", {"rows": 0})["rows"])
