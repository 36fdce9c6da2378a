"""Who calls a batch: a bundle that is run again, by the engine's will, finds what was paid and waits for who is at it.

A batch is claimed before its first call. Its id is a hash of its images and of what is asked, so it is the same on
every try. Without claims, two tries of one bundle would run in lockstep and pay for up to all of it twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, NamedTuple

from ..files.create_once import create_once, read_if_there
from ..files.storage import exists, join
from .journal import UNSETTLED, Segment, read_segments
from .liveness import DEAD_AFTER

_DIGITS = 24


def batch_id(image_ids: Iterable[str], fingerprint: str) -> str:
    """The name of a batch: of its images, in whatever order, and of what is asked of them."""
    text = "\n".join([fingerprint, *sorted(image_ids)])
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


class Turn(NamedTuple):
    """What was journalled of a batch, and whether what is missing may be called.

    `is_known`: all that was called is held; where a try died, there may be more.
    """

    held: list[Segment]
    may_call: bool
    is_known: bool = True


class Claim:
    """A bundle's claim to call a batch.

    Args:
      folder: the journal of the run.
      batch: its id.
      wanted: the ids of its images.
      who: tells this bundle from every other one: `process`, `bundle`.
      ended_well: whether a bundle of this process did, by its name; None while it has not ended.
    """

    def __init__(
        self, folder: str, batch: str, wanted: set[str], who: dict[str, str], ended_well: Callable[[str], bool | None]
    ) -> None:
        self._folder, self._batch, self._wanted, self._who, self._ended_well = folder, batch, wanted, who, ended_well
        self._number = -1
        self._seen: object = None
        self._looks = 0

    def turn(self) -> Turn | None:
        """Whether it is this bundle's turn; None where another one calls: look again in a beat."""
        if self._number < 0 and self._create(0):
            return Turn([], True)
        held = read_segments(self._folder, self._batch)
        settled = (segment.rows["image_id"].to_pylist() for segment in held if segment.kind != UNSETTLED)
        if self._wanted <= set(chain.from_iterable(settled)):
            return Turn(held, False)
        is_known = self._end_of(self._newest(), held)
        if is_known is not None and self._create(self._number + 1):
            return Turn(read_segments(self._folder, self._batch), True, is_known)
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

    def _end_of(self, claimant: dict[str, Any], held: list[Segment]) -> bool | None:
        """Whether the claimant ended well, None while it has not ended: one of another process that adds nothing for a
        few beats has died."""
        if claimant.get("process") == self._who["process"]:
            return self._ended_well(claimant["bundle"])
        seen = self._number, len(held)
        self._looks = self._looks + 1 if seen == self._seen else 0
        self._seen = seen
        return False if self._looks >= DEAD_AFTER else None

    def _path(self, number: int) -> str:
        return join(self._folder, self._batch, f"claim.{number}")
