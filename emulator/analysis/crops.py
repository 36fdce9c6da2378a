"""Smart crops: the window of a given aspect ratio that holds the most edge energy."""

from __future__ import annotations

import numpy as np

from .facts import Floats
from .geometry import Box

SCALES = (1.0, 0.85, 0.7)
FREE_RATIOS = (0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 1.78, 2.0)
POSITIONS = 24


def smart_crop(energy: Floats, size: tuple[int, int], ratio: float) -> Box:
    """The best window of width/height `ratio` in a picture of `size`, judged on the small map `energy`."""
    return _best(_integral(energy), size, ratio)[1]


def free_crop(energy: Floats, size: tuple[int, int]) -> tuple[float, Box]:
    """The best window over all of FREE_RATIOS: its own ratio to two decimals, in 0.5..2.0, and the window."""
    sums = _integral(energy)
    _, box = max((_best(sums, size, ratio) for ratio in FREE_RATIOS), key=lambda found: found[0])
    return min(2.0, max(0.5, round(box.w / box.h, 2))), box


def _integral(energy: Floats) -> Floats:
    """Sums of the map above and left of each point, plus a floor so that flat pictures have a centre."""
    return np.pad(energy + np.float32(1e-4), ((1, 0), (1, 0))).cumsum(0, np.float64).cumsum(1)


def _best(sums: Floats, size: tuple[int, int], ratio: float) -> tuple[float, Box]:
    candidates = [_place(sums, size, _window(size, ratio, scale)) for scale in SCALES]
    return max(candidates, key=lambda found: found[0])


def _window(size: tuple[int, int], ratio: float, scale: float) -> tuple[int, int]:
    """Width and height of the largest window of this ratio that fits, times scale."""
    width = min(size[0], size[1] * ratio) * scale
    w = max(1, min(size[0], round(width)))
    return w, max(1, min(size[1], round(w / ratio)))


def _place(sums: Floats, size: tuple[int, int], window: tuple[int, int]) -> tuple[float, Box]:
    """The position with the most energy; the score prefers a large share of energy on a small share of area."""
    rows, columns = sums.shape[0] - 1, sums.shape[1] - 1
    xs, ys = (_offsets(size[i] - window[i]) for i in (0, 1))
    left, right = (_grid(xs + d, columns / size[0], columns) for d in (0, window[0]))
    top, bottom = (_grid(ys + d, rows / size[1], rows) for d in (0, window[1]))
    held = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
    middle = np.abs(ys - ys.mean())[:, None] / size[1] + np.abs(xs - xs.mean())[None, :] / size[0]
    row, column = np.unravel_index(np.argmax(held / sums[-1, -1] - 0.01 * middle), held.shape)
    area_share = window[0] * window[1] / (size[0] * size[1])
    score = float(held[row, column] / sums[-1, -1]) - 0.6 * area_share
    return score, Box(int(xs[column]), int(ys[row]), *window)


def _offsets(room: int) -> np.ndarray:
    return np.unique(np.linspace(0, room, POSITIONS).round().astype(int))


def _grid(positions: np.ndarray, scale: float, limit: int) -> np.ndarray:
    return np.asarray(np.clip((positions * scale).round().astype(int), 0, limit))
