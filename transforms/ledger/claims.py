"""Who calls a batch: a bundle that is run again, by the engine's will, finds what was paid and waits for who is at it.

A batch is claimed before its first call. Its id is a hash of its images and of what is asked, so it is the same on
every try. Without claims, two tries of one bundle would run in lockstep and pay for up to all of it twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..files.create_once import create_once, read_if_there
from ..files.storage import exists, join
from .journal import Segment, read_segments
from .liveness import DEAD_AFTER

_DIGITS = 24


def batch_id(image_ids: Iterable[str], fingerprint: str) -> str:
    """The name of a batch: of its images, in whatever order, and of what is asked of them."""
    text = "\n".join([fingerprint, *sorted(image_ids)])
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


class Turn(NamedTuple):
    """What was journalled of a batch, and whether what is missing may be called."""

    held: list[Segment]
    may_call: bool


class Claim:
    """A bundle's claim to call a batch.

    Args:
      folder: the journal of the run.
      batch: its id.
      wanted: the ids of its images.
      who: tells this bundle from every other one: `process`, `bundle`.
      has_ended: whether a bundle of this process has ended, by its name.
    """

    def __init__(
        self, folder: str, batch: str, wanted: set[str], who: dict[str, str], has_ended: Callable[[str], bool]
    ) -> None:
        self._folder, self._batch, self._wanted, self._who, self._has_ended = folder, batch, wanted, who, has_ended
        self._number = -1
        self._seen: object = None
        self._looks = 0

    def turn(self) -> Turn | None:
        """Whether it is this bundle's turn; None where another one calls: look again in a beat."""
        if self._number < 0 and self._create(0):
            return Turn([], True)
        held = read_segments(self._folder, self._batch)
        if self._wanted <= {image_id for segment in held for image_id in segment.rows["image_id"].to_pylist()}:
            return Turn(held, False)
        claimant = self._newest()
        if self._is_gone(claimant, held) and self._create(self._number + 1):
            return Turn(read_segments(self._folder, self._batch), True)
        return None

    def is_lost(self) -> bool:
        """Whether another bundle has claimed the batch after this one."""
        return exists(self._path(self._number + 1))

    def _create(self, number: int) -> bool:
        if not create_once(self._path(number), json.dumps(self._who).encode()):
            return False
        self._number = number
        return True

    def _newest(self) -> dict[str, Any]:
        number, found = max(self._number, 0), b"{}"
        while (text := read_if_there(self._path(number))) is not None:
            found, number = text, number + 1
        self._number = number - 1
        claimant: dict[str, Any] = json.loads(found)
        return claimant

    def _is_gone(self, claimant: dict[str, Any], held: list[Segment]) -> bool:
        """A bundle of this process that has ended; else one that adds nothing for a few beats."""
        if claimant.get("process") == self._who["process"]:
            return self._has_ended(claimant["bundle"])
        seen = self._number, len(held)
        self._looks = self._looks + 1 if seen == self._seen else 0
        self._seen = seen
        return self._looks >= DEAD_AFTER

    def _path(self, number: int) -> str:
        return join(self._folder, self._batch, f"claim.{number}")
