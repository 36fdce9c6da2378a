"""Which contents of lists are in the table `inputs`, by the manifests of committed runs.

While a run is made, what it has read is told by counts, which add up: `lists.<digest>.<run that holds it>.<list>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .layout import Layout
from .log import history_of
from .records import check_manifest, read_records

_COUNT = "lists."


def recorded_lists(layout: Layout, run_id: str) -> dict[str, str]:
    """The digests of contents that are in the tables when a run begins, each with the run whose rows they are.

    Raises:
      ConfigurationError: a manifest is damaged or gone.
    """
    committed, _ = history_of(layout, run_id)
    return {
        entry["digest"]: entry["run_id"]
        for run, record in read_records(layout, committed)
        for entry in check_manifest(layout.record(run), record).get("lists", ())
    }


def list_count(name: str, digest: str, held_by: str, references: int) -> dict[str, int]:
    """The count of one list that was read."""
    return {f"{_COUNT}{digest}.{held_by}.{name}": references}


def lists_read(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """What the manifest says of the lists of a run."""
    lists = []
    for count in sorted(name for name in counts if name.startswith(_COUNT)):
        digest, run_id, name = count[len(_COUNT) :].split(".", 2)
        lists.append({"list": name, "rows": counts[count], "digest": digest, "run_id": run_id})
    return lists
