"""All sections of an answer in neutral form, computed from one picture; shapes.py gives them a wire form."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from . import words
from .crops import free_crop, smart_crop
from .decode import seen
from .facts import measure, summarise
from .geometry import Box
from .regions import Region, find_regions

MOST_DENSE_CAPTIONS = 10
SMALLEST_OBJECT = 0.05
"""Share of the picture below which the service tends to miss objects."""


@dataclass(frozen=True)
class Word:
    text: str
    polygon: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class Line:
    """Polygons are x1,y1..x4,y4 in pixels, clockwise from the top left of the text."""

    text: str
    polygon: tuple[int, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Wanted:
    """What an analysis has to produce beyond what every picture gets; `turns`: of the picture as its EXIF turns it."""

    ratios: tuple[float, ...] = ()
    gender_neutral: bool = False
    turns: bool = False


@dataclass(frozen=True)
class Sections:
    """Sizes and boxes in pixels of the original, confidences strictly inside 0..1."""

    width: int
    height: int
    caption: tuple[str, float]
    dense_captions: list[tuple[str, float, Box]]
    tags: list[tuple[str, float]]
    objects: list[tuple[str, float, Box]]
    people: list[tuple[float, Box]]
    crops: list[tuple[float, Box]]
    colour_shares: list[tuple[str, float]]
    lines: list[Line] = field(default_factory=list)


def analyze(picture: Image.Image, digest: str, wanted: Wanted) -> Sections:
    """Computes every section but `read`. `digest` is the hex hash of the content. Raises Refused."""
    size, small = seen(picture, wanted.turns)
    measured = measure(small)
    facts = summarise(measured)
    regions = find_regions(measured, size)
    people = _people(regions)
    text, sure = words.caption(facts, _subject(regions, people, size, digest, wanted.gender_neutral))
    if wanted.ratios:
        crops = [(ratio, smart_crop(measured.energy, size, ratio)) for ratio in wanted.ratios]
    else:
        crops = [free_crop(measured.energy, size)]
    return Sections(
        width=size[0],
        height=size[1],
        caption=(text, sure),
        dense_captions=_dense(text, sure, regions, size),
        tags=words.tags(facts, size),
        objects=_objects(regions),
        people=people,
        crops=crops,
        colour_shares=[(name, words.inside(share)) for name, share in facts.colours],
    )


def _objects(regions: list[Region]) -> list[tuple[str, float, Box]]:
    large = [region for region in regions if SMALLEST_OBJECT <= region.share < 0.9]
    return [(f"{r.colour} region", round(words.inside(r.saliency), 3), r.box) for r in large]


def _people(regions: list[Region]) -> list[tuple[float, Box]]:
    """Every region, scored as a figure: skin-coloured, upright, not tiny. Most scores are low, none is dropped."""
    scored = [(words.inside(r.facts.skin_share * r.upright * min(1.0, 12 * r.share)), r.box) for r in regions]
    return sorted(scored, key=lambda row: (-row[0], row[1].x, row[1].y))


def _subject(
    regions: list[Region], people: list[tuple[float, Box]], size: tuple[int, int], digest: str, neutral: bool
) -> str | None:
    """What the caption is about. Pixels do not tell men from women: the content hash picks the word."""
    if people and people[0][0] > 0.3:
        gendered = "a man" if int(digest[0], 16) % 2 else "a woman"
        return f"{'a person' if neutral else gendered} {words.place_of(people[0][1], size)}"
    if regions:
        return f"a {regions[0].colour} region {words.place_of(regions[0].box, size)}"
    return None


def _dense(text: str, sure: float, regions: list[Region], size: tuple[int, int]) -> list[tuple[str, float, Box]]:
    whole = Box(0, 0, *size)
    items = [(text, words.inside(sure + 0.0002), whole)]
    for region in regions:
        if region.box == whole or len(items) == MOST_DENSE_CAPTIONS:
            continue
        look, colours = words.look_of(region.facts), words.colours_of(region.facts)
        item = f"a {look} {colours} region {words.place_of(region.box, size)}"
        items.append((item, words.inside(0.4 + 0.5 * region.saliency), region.box))
    return items
