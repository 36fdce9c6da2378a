"""Measures a picture: light, colour, contrast, texture, and where its edges are. Numbers only, no words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "black": (20, 20, 20),
    "grey": (128, 128, 128),
    "white": (240, 240, 240),
    "red": (200, 40, 40),
    "orange": (235, 130, 40),
    "yellow": (235, 215, 60),
    "green": (60, 150, 60),
    "teal": (40, 150, 150),
    "blue": (50, 90, 200),
    "purple": (130, 60, 170),
    "pink": (235, 130, 170),
    "brown": (120, 80, 45),
    "beige": (215, 195, 160),
}
_NAMES = tuple(COLOURS)
_PALETTE = np.array(list(COLOURS.values()), np.float32)
_STEPS = (np.arange(16, dtype=np.float32) + 0.5) * 16
_NEAREST = (
    (np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS, indexing="ij"), -1)[..., None, :] - _PALETTE) ** 2
).sum(-1).argmin(-1).astype(np.uint8)  # fmt: skip
"""The nearest named colour of each of 16x16x16 RGB cells."""


@dataclass(frozen=True)
class Facts:
    """All shares and levels are 0..1. `colours` is sorted by share, largest first."""

    brightness: float
    contrast: float
    saturation: float
    warmth: float
    edges: float
    sharpness: float
    symmetry: float
    blue_top: float
    green_share: float
    skin_share: float
    extremes: float
    colours: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Measured:
    """A small picture with its per-pixel maps (height x width)."""

    pixels: Floats
    luma: Floats
    energy: Floats
    colour_index: NDArray[np.uint8]
    skin: NDArray[np.bool_]


def measure(picture: Image.Image) -> Measured:
    """Per-pixel maps of an RGB picture; `energy` is the edge strength, 0..1."""
    raw = np.asarray(picture, np.uint8)
    pixels: Floats = np.multiply(raw, np.float32(1 / 255), dtype=np.float32)
    luma: Floats = np.dot(pixels, np.array([0.299, 0.587, 0.114], np.float32))
    dy = np.abs(np.diff(luma, axis=0, prepend=luma[:1]))
    dx = np.abs(np.diff(luma, axis=1, prepend=luma[:, :1]))
    cells = raw >> 4
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    skin = (red > 0.37) & (red > green) & (green > blue * 0.9) & (red - blue > 0.06) & (red - blue < 0.45)
    return Measured(
        pixels=pixels,
        luma=luma,
        energy=np.minimum(dx + dy, 1),
        colour_index=_NEAREST[cells[..., 0], cells[..., 1], cells[..., 2]],
        skin=skin,
    )


def summarise(measured: Measured) -> Facts:
    """The facts of a whole picture, or of a part of it (see `part`)."""
    pixels, luma = measured.pixels, measured.luma
    high, low = pixels.max(-1), pixels.min(-1)
    top = pixels[: max(1, len(pixels) // 3)]
    return Facts(
        brightness=float(luma.mean()),
        contrast=float(min(1, 2 * luma.std())),
        saturation=float((high - low).mean()),
        warmth=float(0.5 + 0.5 * (pixels[..., 0] - pixels[..., 2]).mean()),
        edges=float((measured.energy > 0.08).mean()),
        sharpness=float(np.quantile(measured.energy, 0.99)),
        symmetry=float(1 - min(1, 4 * np.abs(luma - luma[:, ::-1]).mean())),
        blue_top=float(((top[..., 2] > 0.45) & (top[..., 2] > 1.1 * top[..., 0])).mean()),
        green_share=float(((pixels[..., 1] > 1.08 * pixels[..., 0]) & (pixels[..., 1] > 1.08 * pixels[..., 2])).mean()),
        skin_share=float(measured.skin.mean()),
        extremes=float(((luma < 0.2) | (luma > 0.85)).mean()),
        colours=_colour_shares(measured.colour_index),
    )


def part(measured: Measured, top: int, left: int, bottom: int, right: int) -> Measured:
    """The same maps of a rectangle, half open."""
    window = (slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1)))
    return Measured(
        measured.pixels[window],
        measured.luma[window],
        measured.energy[window],
        measured.colour_index[window],
        measured.skin[window],
    )


def _colour_shares(index: NDArray[np.uint8]) -> tuple[tuple[str, float], ...]:
    counts = np.bincount(index.ravel(), minlength=len(_NAMES)) / index.size
    order = np.argsort(-counts, kind="stable")
    return tuple((_NAMES[i], float(counts[i])) for i in order if counts[i] > 0)
