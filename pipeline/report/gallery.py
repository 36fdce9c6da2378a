"""The images that the report shows, each with its thumbnail, shapes and texts; bounded in bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...transforms.endpoint.uri import ImageRef
from ...transforms.files.schemes import scheme_of
from .layers import LAYERS, Layer, Shape, shape
from .sample import Items, most_varied
from .thumbnails import Thumbnail, thumbnail
from .wording import readable

MOST_BYTES = 2_600_000  # of the gallery; the rest of the page is small
_MARK_SIZE = 13  # pixels, of what is written on an image that is shown as large as it gets
_SHOWN = (416, 416)  # the largest width and height in pixels that the page gives an image
_TAG_TABLES = ("tags", "custom_tags")


class Label(NamedTuple):
    """A name or sentence with its confidence."""

    text: str
    confidence: float | None


class Drawn(NamedTuple):
    """The shapes of one layer over one image."""

    layer: Layer
    shapes: list[Shape]

    def sure_ones(self, least: float) -> str:
        """How many are at least so sure, of how many, as it is written."""
        sure = sum(one.confidence is None or one.confidence >= least for one in self.shapes)
        return str(sure) if sure == len(self.shapes) else f"{sure} of {len(self.shapes)}"


class Card(NamedTuple):
    """One image of the gallery. `mark_size` is a font size in the image's own pixels."""

    image_uri: str
    width: int
    height: int
    mark_size: float
    picture: Thumbnail
    captions: list[Label]
    tags: list[Label]
    text: str
    drawn: list[Drawn]

    @property
    def weight(self) -> int:
        """About how many bytes of the page it takes, with escapes."""
        shapes = [shape for drawn in self.drawn for shape in drawn.shapes]
        texts = [self.image_uri, self.text, *(label.text for label in [*self.captions, *self.tags])]
        outlines = sum(len(shape.points) + 2 * len(shape.label) + 600 for shape in shapes)
        return len(self.picture.data_uri) + 3 * sum(len(text.encode()) for text in texts) + outlines + 2_000


def make_cards(images: Mapping[str, dict[str, Any]], items: Mapping[str, Items]) -> list[Card]:
    """The cards of the most varied images, as many as `MOST_BYTES` hold."""
    cards, room = [], MOST_BYTES
    for image_id in most_varied(items):
        card = make_card(images[image_id], items[image_id])
        room -= card.weight
        if room < 0:
            break
        cards.append(card)
    return cards


def make_card(image: Mapping[str, Any], items: Items) -> Card:
    """One image from its row of `images` and its rows of the section tables."""
    width, height = image["width"], image["height"]
    return Card(
        readable(image["image_uri"]),
        width,
        height,
        round(_MARK_SIZE * max(width / _SHOWN[0], height / _SHOWN[1]), 2),
        _picture(image),
        [Label(readable(row["text"]), row["confidence"]) for row in items.get("captions", [])],
        [Label(readable(row["name"]), row["confidence"]) for table in _TAG_TABLES for row in items.get(table, [])],
        readable("\n".join(row["text"] or "" for row in items.get("read_lines", []))),
        [drawn for layer in LAYERS if (drawn := _draw(layer, items)).shapes],
    )


def _picture(image: Mapping[str, Any]) -> Thumbnail:
    """The thumbnail of the file that was analyzed: a relative path may name another one here."""
    uri, path = image["image_uri"] or "", image.get("path")
    is_relative = scheme_of(uri) is None and not os.path.isabs(uri)
    if not path and is_relative and ImageRef.of(uri).image_id != image["image_id"]:
        return Thumbnail("", "in the working folder of now, its path is that of another file")
    return thumbnail(path or uri, image["width"], image["height"])


def _draw(layer: Layer, items: Items) -> Drawn:
    shapes = [shape(layer, row) for row in items.get(layer.table, [])]
    return Drawn(layer, [one for one in shapes if one])
