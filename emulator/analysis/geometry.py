"""Boxes in whole pixels of the original picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Top-left corner and size in pixels."""

    x: int
    y: int
    w: int
    h: int

    @property
    def area(self) -> int:
        return self.w * self.h

    def scaled(self, from_size: tuple[int, int], to_size: tuple[int, int]) -> Box:
        """The same place in a picture of another size (width, height); inside it and at least one pixel."""
        across, down = to_size[0] / from_size[0], to_size[1] / from_size[1]
        left, top = min(round(self.x * across), to_size[0] - 1), min(round(self.y * down), to_size[1] - 1)
        right, bottom = round((self.x + self.w) * across), round((self.y + self.h) * down)
        return Box(left, top, max(1, min(right, to_size[0]) - left), max(1, min(bottom, to_size[1]) - top))
