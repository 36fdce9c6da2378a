"""Line charts as plain SVG, in colours that can be read on white and on black."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 190, 46, 52
TEXT = "#808890"
COLOURS = ("#2f81f7", "#e8750a", "#2da44e", "#a371f7", "#e5534b")


@dataclass(frozen=True)
class Line:
    """One line: its name (written at its end), its points, and how it is drawn."""

    name: str
    points: list[tuple[float, float]]
    dashed: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Axis:
    """What an axis means, where it ends, and its ticks with their labels."""

    label: str
    end: float
    ticks: list[tuple[float, str]]


def chart(title: str, x: Axis, y: Axis, lines: list[Line]) -> str:
    """The SVG text; both axes begin at 0."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}" role="img">',
        f"<title>{escape(title)}</title>",
        _text(LEFT, 22, title, size=15, weight=600),
        *_axes(x, y),
    ]
    ends = _spread([_y(y, line.points[-1][1]) for line in lines])
    for number, (line, end) in enumerate(zip(lines, ends, strict=True)):
        colour = TEXT if line.dashed else COLOURS[number % len(COLOURS)]
        parts += [_polyline(line, x, y, colour), _text(WIDTH - RIGHT + 10, end + 4, line.name, colour=colour)]
        parts += [_dot(_x(x, at), _y(y, value), colour) for at, value in line.points if line.marked]
    return "\n".join([*parts, "</svg>", ""])


def _axes(x: Axis, y: Axis) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for value, label in y.ticks:
        level = _y(y, value)
        parts.append(f'<path d="M{LEFT} {level:.1f}H{right}" stroke="{TEXT}" stroke-opacity="0.3"/>')
        parts.append(_text(LEFT - 8, level + 4, label, anchor="end"))
    for value, label in x.ticks:
        parts.append(f'<path d="M{_x(x, value):.1f} {bottom}v5" stroke="{TEXT}"/>')
        parts.append(_text(_x(x, value), bottom + 19, label, anchor="middle"))
    middle = (LEFT + right) / 2
    return [*parts, _text(middle, HEIGHT - 12, x.label, anchor="middle"), _text(LEFT - 8, 40, y.label)]


def _polyline(line: Line, x: Axis, y: Axis, colour: str) -> str:
    points = " ".join(f"{_x(x, at):.1f},{_y(y, value):.1f}" for at, value in line.points)
    dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: int = 400, colour: str = TEXT
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _x(axis: Axis, value: float) -> float:
    return LEFT + (WIDTH - RIGHT - LEFT) * value / axis.end


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(value, axis.end) / axis.end


def _spread(levels: list[float], apart: float = 15) -> list[float]:
    """The levels of labels, moved so that none lies on another."""
    placed: dict[int, float] = {}
    floor = float("-inf")
    for index in sorted(range(len(levels)), key=levels.__getitem__):
        floor = placed[index] = max(levels[index], floor + apart)
    return [placed[index] for index in range(len(levels))]
