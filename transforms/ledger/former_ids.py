"""What earlier versions knew of an image under another id: it counts where exactly one listed image had that id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..endpoint.uri import ImageRef, former_image_id
from .history import Block


def present_ids(images: Iterable[ImageRef]) -> dict[str, str]:
    """The present id by the former one, of the listed images of a shard (each once) that had another id.

    Left out are former ids that several images had, and those that are the id of a listed image: whose answer is there
    cannot be told.
    """
    listed: set[str] = set()
    claims: dict[str, list[str]] = {}
    for image in images:
        listed.add(image.image_id)
        if former := former_image_id(image.uri):
            claims.setdefault(former, []).append(image.image_id)
    return {former: ids[0] for former, ids in claims.items() if len(ids) == 1 and former not in listed}


def under_present_ids(history: Iterable[Block], present: dict[str, str], answered: set[str]) -> Iterator[Block]:
    """The history with present ids in place of former ones; adds to `answered` whose answer to the request moved."""
    for block in history:
        kind, rows, answers, _ = block
        moved = [row for row in rows if row[0] in present] if present else []
        if kind not in ("dead", "deferred"):
            answered.update(present[row[0]] for row in moved if answers.get(row[1]))
        yield block._replace(rows=[(present.get(row[0], row[0]), *row[1:]) for row in rows]) if moved else block
