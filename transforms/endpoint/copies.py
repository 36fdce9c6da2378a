"""Byte-identical images under several names: one is called, and the others take what it came to."""

from __future__ import annotations

import pickle
import threading
import zlib
from collections import OrderedDict
from concurrent.futures import Future
from typing import NamedTuple

from ...schemas.outcomes import Analyzed, DeadLetter, Deferred

MOST_BYTES = 64 * 1024 * 1024
_ENTRY = 600  # bytes that the dict, the key and its texts take
_REFUSED = "rejected_image"

Shared = Analyzed | DeadLetter


class Same(NamedTuple):
    """Images of which all of this is the same have the same answer: their bytes, what is asked of them, how they are
    sent, and for which run."""

    sha256: str
    fingerprint: str
    fit: int | None
    run_id: str


class Copies:
    """What images came to that were called, by what they have in common; and which are being called.

    Of a process; safe to use from many threads. An answer holds for every image with the same bytes, and so does a
    refusal that is the image's fault. Any other failure says nothing of the others.

    Args:
      most_bytes: of memory. What was not asked for the longest time is forgotten then.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._lock, self._left = threading.Lock(), most_bytes
        self._known: OrderedDict[Same, bytes] = OrderedDict()
        self._called: dict[Same, Future[Shared | None]] = {}

    def first(self, same: Same, may_wait: bool = True) -> Future[Shared | None] | None:
        """What the one that was first comes to; None if there is none, or it is not waited for: then call, and say how
        it `ended`."""
        with self._lock:
            packed = self._known.get(same)
            if packed is None:
                if called := self._called.get(same):
                    return called if may_wait else None
                self._called[same] = Future()
                return None
            self._known.move_to_end(same)
        known: Future[Shared | None] = Future()
        known.set_result(pickle.loads(zlib.decompress(packed)))
        return known

    def ended(self, same: Same, outcome: Shared | Deferred | None) -> None:
        """A call came to that, or to nothing yet."""
        shared: Shared | None = None
        if isinstance(outcome, Analyzed) or (isinstance(outcome, DeadLetter) and outcome.fault_class == _REFUSED):
            shared = outcome
        packed = None if shared is None else zlib.compress(pickle.dumps(shared), 1)
        with self._lock:
            called = self._called.pop(same, None)
            if packed is not None:
                self._keep(same, packed)
        if called is not None:
            called.set_result(shared)

    def _keep(self, same: Same, packed: bytes) -> None:
        self._left += _size(self._known.pop(same, None)) - _size(packed)
        self._known[same] = packed
        while self._left < 0:
            self._left += _size(self._known.popitem(last=False)[1])


def _size(packed: bytes | None) -> int:
    return 0 if packed is None else len(packed) + _ENTRY
