"""Full answers of all seven features, about 90 rows each, different from one another but the same on every machine."""

from __future__ import annotations

import json
import random
from typing import Any

WORDS = [
    *("a", "the", "of", "on", "in", "with", "red", "green", "large", "small", "old", "new", "street", "house", "river"),
    *("table", "lamp", "person", "dog", "cat", "bicycle", "train", "window", "door", "sign", "market", "bridge"),
    *("tree", "cup", "book", "shirt", "glass", "stone", "metal", "wooden", "standing", "sitting", "walking"),
]


def make_answers(number: int, seed: int = 7) -> list[bytes]:
    """JSON bodies as the service's GA version sends them: compact."""
    source = random.Random(seed)
    return [json.dumps(make_answer(source), separators=(",", ":")).encode() for _ in range(number)]


def make_answer(source: random.Random) -> dict[str, Any]:
    """1 image, 1 caption, 10 dense captions, 20 tags, 8 objects, 4 people, 2 crops, 10 lines, 35 words: 91 rows."""
    return {
        "modelVersion": "2023-10-01",
        "captionResult": _text(source, 9),
        "denseCaptionsResult": {"values": [_text(source, 6) | _box(source) for _ in range(10)]},
        "metadata": {"width": 1600, "height": 1200},
        "tagsResult": {"values": [_named(source) for _ in range(20)]},
        "objectsResult": {"values": [_box(source) | {"tags": [_named(source)]} for _ in range(8)]},
        "readResult": {"blocks": [{"lines": [_line(source, 3 + place % 2) for place in range(10)]}]},
        "smartCropsResult": {"values": [{"aspectRatio": ratio} | _box(source) for ratio in (0.9, 1.33)]},
        "peopleResult": {"values": [_box(source) | {"confidence": source.random()} for _ in range(4)]},
    }


def _text(source: random.Random, words: int) -> dict[str, Any]:
    return {"text": " ".join(source.choices(WORDS, k=words)), "confidence": source.random()}


def _named(source: random.Random) -> dict[str, Any]:
    return {"name": " ".join(source.choices(WORDS, k=source.randint(1, 2))), "confidence": source.random()}


def _box(source: random.Random) -> dict[str, Any]:
    x, y = source.randrange(1400), source.randrange(1000)
    return {"boundingBox": {"x": x, "y": y, "w": source.randint(1, 200), "h": source.randint(1, 200)}}


def _polygon(source: random.Random) -> list[dict[str, int]]:
    x, y, w, h = source.randrange(1400), source.randrange(1100), source.randint(20, 200), source.randint(10, 60)
    return [{"x": x, "y": y}, {"x": x + w, "y": y}, {"x": x + w, "y": y + h}, {"x": x, "y": y + h}]


def _line(source: random.Random, number: int) -> dict[str, Any]:
    words = source.choices(WORDS, k=number)
    return {
        "text": " ".join(words),
        "boundingPolygon": _polygon(source),
        "words": [
            {"text": word, "boundingPolygon": _polygon(source), "confidence": round(source.random(), 3)}
            for word in words
        ],
    }
