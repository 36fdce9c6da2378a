"""A step of a pipeline that fails."""

from __future__ import annotations

from typing import Any

import apache_beam as beam


class FailAt(beam.DoFn):
    """Passes some elements on, then fails."""

    def __init__(self, number: int) -> None:
        self._left = number

    def process(self, element: Any) -> None:
        self._left -= 1
        if self._left == 0:
            raise RuntimeError("a bug downstream")
