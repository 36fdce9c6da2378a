"""Puts measured facts into words: tags with confidences, captions of the picture and of its regions."""

from __future__ import annotations

import math

from .facts import Facts
from .geometry import Box

TAG_THRESHOLD = 0.5


def confidence(level: float, threshold: float, steepness: float) -> float:
    """How surely a level is above (steepness > 0) or below (< 0) a threshold; strictly inside 0..1."""
    logistic = 1 / (1 + math.exp(-max(-50.0, min(50.0, steepness * (level - threshold)))))
    return inside(logistic)


def inside(value: float) -> float:
    """Clipped to what the service prints: never 0 or 1, not even when rounded to three decimals."""
    return min(0.999, max(0.001, value))


def tags(facts: Facts, size: tuple[int, int]) -> list[tuple[str, float]]:
    """Names with confidences of at least TAG_THRESHOLD, surest first, unique."""
    shape = size[0] / size[1]
    grey_share = sum(share for name, share in facts.colours if name in {"black", "grey", "white"})
    scored = {
        "bright": confidence(facts.brightness, 0.6, 14),
        "dark": confidence(facts.brightness, 0.33, -14),
        "high contrast": confidence(facts.contrast, 0.5, 14),
        "low contrast": confidence(facts.contrast, 0.22, -20),
        "colorful": confidence(facts.saturation, 0.3, 18),
        "black and white": confidence(facts.saturation, 0.03, -90),
        "muted": confidence(facts.saturation, 0.12, -30),
        "warm colors": confidence(facts.warmth, 0.57, 40),
        "cool colors": confidence(facts.warmth, 0.43, -40),
        "textured": confidence(facts.edges, 0.3, 12),
        "smooth": confidence(facts.edges, 0.08, -40),
        "sharp": confidence(facts.sharpness, 0.45, 12),
        "blurry": confidence(facts.sharpness, 0.15, -30),
        "symmetrical": confidence(facts.symmetry, 0.75, 16),
        "sky": confidence(facts.blue_top, 0.5, 9),
        "plant": confidence(facts.green_share, 0.4, 9),
        "text document": confidence(facts.extremes * grey_share, 0.85, 25),
        "landscape format": confidence(shape, 1.15, 12),
        "portrait format": confidence(shape, 0.87, -12),
        "square format": confidence(abs(math.log(shape)), 0.1, -40),
    }
    for name, share in facts.colours:
        scored[name] = confidence(share, 0.2, 14)
    chosen = [(name, score) for name, score in scored.items() if score >= TAG_THRESHOLD]
    return sorted(chosen, key=lambda tag: (-tag[1], tag[0]))


def colours_of(facts: Facts) -> str:
    """The one or two colours that make up most of it, e.g. `blue and white`."""
    names = [name for name, share in facts.colours[:2] if share >= 0.15] or [facts.colours[0][0]]
    return " and ".join(names)


def look_of(facts: Facts) -> str:
    if facts.brightness < 0.33:
        return "dark"
    if facts.brightness > 0.6:
        return "bright"
    return "colorful" if facts.saturation > 0.3 else "plain"


def place_of(box: Box, size: tuple[int, int]) -> str:
    """Where the middle of the box lies, in words: `at the top left`, `in the middle` ..."""
    column = (box.x + box.w / 2) / size[0]
    row = (box.y + box.h / 2) / size[1]
    across = "left" if column < 0.36 else "right" if column > 0.64 else ""
    down = "top" if row < 0.36 else "bottom" if row > 0.64 else ""
    if not across and not down:
        return "in the middle"
    if not down:
        return f"on the {across}"
    return f"at the {down} {across}".rstrip()


def caption(facts: Facts, subject: str | None) -> tuple[str, float]:
    """A sentence that says whose it is; as sure as the colours are dominant and the subject stands out."""
    text = f"emulator: a {look_of(facts)} picture in {colours_of(facts)}"
    held = sum(share for _, share in facts.colours[:2])
    sure = 0.35 + 0.45 * held + (0.1 if subject else 0.0)
    return (f"{text} with {subject}" if subject else text), inside(sure)
