"""Waiting for what other threads and processes do."""

from __future__ import annotations

import threading
from collections.abc import Callable


def wait_until(condition: Callable[[], object]) -> None:
    """Returns once it holds; a test that waits for half a minute fails."""
    for _ in range(15_000):
        if condition():
            return
        threading.Event().wait(0.002)
    raise AssertionError("it does not come")
