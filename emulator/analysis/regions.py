"""Salient regions: connected cells of a coarse grid that stand out in colour or edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .facts import Facts, Floats, Measured, part, summarise
from .geometry import Box

CELLS = 24
"""Cells along the longer side."""
MOST_REGIONS = 20


@dataclass(frozen=True)
class Region:
    """`box` in pixels of the original; `saliency` and `share` (of the picture's area) are 0..1."""

    box: Box
    saliency: float
    share: float
    facts: Facts

    @property
    def colour(self) -> str:
        return self.facts.colours[0][0]

    @property
    def upright(self) -> float:
        """Height over width, squashed to 0..1; a standing figure is near 1."""
        return min(1.0, max(0.0, (self.box.h / self.box.w - 0.6) / 1.4))


def find_regions(measured: Measured, size: tuple[int, int]) -> list[Region]:
    """Regions of the picture of `size` (width, height), most salient first, with unique boxes."""
    rows, columns = measured.luma.shape
    step = max(1, -(-max(rows, columns) // CELLS))
    saliency = _saliency(measured, step)
    chosen = saliency > max(0.08, float(saliency.mean() + 0.8 * saliency.std()))
    regions: dict[Box, Region] = {}
    for cells in _components(chosen):
        ys, xs = np.array(cells).T
        top, left = int(ys.min()) * step, int(xs.min()) * step
        bottom, right = min(rows, (int(ys.max()) + 1) * step), min(columns, (int(xs.max()) + 1) * step)
        box = Box(left, top, right - left, bottom - top).scaled((columns, rows), size)
        regions.setdefault(
            box,
            Region(
                box=box,
                saliency=min(1.0, float(saliency[ys, xs].mean())),
                share=box.area / (size[0] * size[1]),
                facts=summarise(part(measured, top, left, bottom, right)),
            ),
        )
    ranked = sorted(regions.values(), key=lambda r: (-r.saliency * r.share**0.5, r.box.x, r.box.y))
    return ranked[:MOST_REGIONS]


def _saliency(measured: Measured, step: int) -> Floats:
    """Per cell: distance from the picture's mean colour plus edge density."""
    colour = _cell_means(measured.pixels, step)
    distance = np.sqrt(((colour - measured.pixels.mean((0, 1))) ** 2).sum(-1))
    edges = _cell_means(measured.energy[..., None], step)[..., 0]
    return np.asarray(distance + 2 * edges, np.float32)


def _cell_means(values: Floats, step: int) -> Floats:
    rows, columns, depth = values.shape
    padded = np.pad(values, ((0, -rows % step), (0, -columns % step), (0, 0)), mode="edge")
    grid = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, depth)
    return np.asarray(grid.mean((1, 3)))


def _components(chosen: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Groups of chosen cells that touch by a side."""
    left = {(int(y), int(x)) for y, x in np.argwhere(chosen)}
    groups = []
    for seed in sorted(left):
        if seed not in left:
            continue
        left.discard(seed)
        group, frontier = [seed], [seed]
        while frontier:
            y, x = frontier.pop()
            touching = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= touching
            group += sorted(touching)
            frontier += sorted(touching)
        groups.append(group)
    return groups
