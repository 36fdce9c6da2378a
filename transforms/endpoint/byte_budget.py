"""A bound on the bytes that images hold in memory at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ByteBudget:
    """Bounds the image bytes held at once: each image reserves its worst case, then what it really has."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._freed = threading.Condition()

    @contextmanager
    def reserve(self, worst_case: int) -> Iterator[Callable[[int], None]]:
        """Waits for room; yields a function that shrinks the reservation to a known size."""
        held = min(worst_case, self._limit)
        with self._freed:
            self._freed.wait_for(lambda: self._held + held <= self._limit)
            self._held += held

        def shrink(size: int) -> None:
            nonlocal held
            freed = held - min(size, held)
            held -= freed
            self._release(freed)

        try:
            yield shrink
        finally:
            self._release(held)

    def _release(self, size: int) -> None:
        with self._freed:
            self._held -= size
            self._freed.notify_all()
