"""What the report reads: manifests of committed runs, and batches of a few columns of their tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from ...schemas import TABLES
from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.endpoint.fingerprint import answered_by
from ...transforms.endpoint.request import AnalyzeRequest
from ...transforms.files import storage
from ...transforms.files.rows import read_rows
from ...transforms.ledger.layout import Layout
from ...transforms.ledger.log import committed_runs, earlier_requests
from ..cost import asked
from ..manifests import Manifest, read_manifests
from ..paths import output_folder

MOST_RUNS = 200  # manifests that are read for the folder's totals, the newest ones
MOST_IMAGES = 200_000  # earlier runs join the answers that are shown until there are so many
_BATCH_ROWS = 16_384


class Folder(NamedTuple):
    """An output folder: the run that is reported, and the committed runs around it, oldest first.

    `answers` says what of the run's request is answered by a row, by its fingerprint (`answered_by`).
    """

    output: str
    run: Manifest
    runs: list[Manifest]
    number_of_runs: int
    request: AnalyzeRequest | None
    answers: dict[str, int]

    @property
    def answering(self) -> list[Manifest]:
        """The run and the ones before it that may have answered the same, newest first, up to `MOST_IMAGES`."""
        chosen, images = [self.run], _images(self.run)
        for manifest in reversed(self.runs):
            if manifest["run_id"] < self.run["run_id"] and manifest["fingerprint"] in self.answers:
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
    layout = Layout(output_folder(output))
    committed = committed_runs(layout)
    if not committed:
        raise ConfigurationError(f"output {output!r}", "it holds no committed run", "run the job first")
    wanted = run_id or committed[-1]
    if wanted not in committed:
        raise ConfigurationError(f"run {wanted!r}", f"{output} holds no such committed run", f"try {committed[-1]}")
    names = committed[-MOST_RUNS:]
    manifests = read_manifests(layout, dict.fromkeys([*names, wanted]))
    run, runs = manifests[wanted], [manifests[name] for name in names]
    request = asked(run)
    answers = answered_by(request, earlier_requests(layout, manifests)) if request else {}
    return Folder(layout.output, run, runs, len(committed), request, answers)


def batches(output: str, manifests: Iterable[Manifest], table: str, columns: list[str]) -> Iterator[pa.Table]:
    """A table's rows in the given runs, some thousands at a time; null is what a file does not have."""
    for manifest in manifests:
        for name in manifest["tables"].get(table, {"files": []})["files"]:
            yield from read_rows(storage.join(output, name), TABLES[table], _BATCH_ROWS, columns)


def _images(manifest: Manifest) -> int:
    return int(manifest["tables"].get("images", {"rows": 0})["rows"])
