"""Charts as inline SVG: plain functions from numbers to markup. They stretch; what is to be read stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

HEIGHT = 100.0  # of every plot, in units of its own: the page gives it its size
_GAP = 0.12  # between bars, as a part of a bar's place


def svg(width: float, label: str, *parts: Markup) -> Markup:
    """A plot that fills its place."""
    return Markup(
        '<svg class="plot" role="img" aria-label="{}" viewBox="0 0 {:g} {:g}" preserveAspectRatio="none">{}</svg>'
    ).format(label, width, HEIGHT, Markup("").join(parts))


def rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> Markup:
    """A rectangle of a CSS class, with a tooltip."""
    tip = Markup("<title>{}</title>").format(title) if title else Markup("")
    return Markup('<rect class="{}" x="{:.3f}" y="{:.3f}" width="{:.3f}" height="{:.3f}">{}</rect>').format(
        kind, x, y, max(width, 0.0), max(height, 0.0), tip
    )


def histogram(numbers: Sequence[int], titles: Sequence[str], label: str) -> Markup:
    """A bar for each number, as high as the highest allows."""
    top = max(numbers, default=0) or 1
    bars = [
        bar(index, [(number / top, "bar")], title)
        for index, (number, title) in enumerate(zip(numbers, titles, strict=True))
    ]
    return svg(len(numbers) or 1, label, *bars)


def bar(place: int, shares: Sequence[tuple[float, str]], title: str) -> Markup:
    """A stacked bar at a place: `(part of the whole height, CSS class)` from the bottom up."""
    parts, y = [], HEIGHT
    for part, kind in shares:
        height = part * HEIGHT
        if part > 0:
            y -= max(height, 1.0)
            parts.append(rect(place + _GAP / 2, y, 1 - _GAP, max(height, 1.0), kind, title))
    return Markup("").join(parts)


def stacked_row(parts: Sequence[tuple[float, str, str]], label: str) -> Markup:
    """One horizontal bar of `(number, CSS class, tooltip)`, next to each other."""
    total = sum(number for number, _, _ in parts) or 1
    rects, x = [], 0.0
    for number, kind, title in parts:
        width = number / total * 1000
        if number:
            rects.append(rect(x, 0, width, HEIGHT, kind, title))
        x += width
    return svg(1000, label, *rects)


def meter(share: float, label: str) -> Markup:
    """A horizontal bar as long as a share of 1."""
    return svg(1000, label, rect(0, 0, 1000 * share, HEIGHT, "bar"))


def timeline(columns: Sequence[tuple[Sequence[tuple[float, str]], str, str]], label: str) -> Markup:
    """Stacked bars over time: `(shares, state, tooltip)` each; a state other than `` shades the background."""
    shades, place = [], 0
    for state, group in groupby(state for _, state, _ in columns):
        length = len(list(group))
        if state:
            shades.append(rect(place, 0, length, HEIGHT, f"shade {state}", state))
        place += length
    return svg(len(columns) or 1, label, *shades, *(bar(n, shares, tip) for n, (shares, _, tip) in enumerate(columns)))
