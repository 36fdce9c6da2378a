"""The contact sheet: which images it shows, what is known of each, and its thumbnail, within a bound of bytes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ...transforms.endpoint.uri import ImageRef, InvalidUri, local_path
from ...transforms.files.schemes import scheme_of
from .layers import COUNTED, NAMED, PLACED, TOLD, confidence_of, is_place, label_of, place_of
from .reading import Reading
from .thumbnails import Thumbnail, thumbnail
from .wording import escaped, readable

MOST_IMAGES = 1_000
MOST_BYTES = 4_300_000  # of thumbnails and of what is known; the rest of the page is small
MOST_FAILURES, RARE = 200, 80
MOST_ROWS = 40  # of one table that are kept of one image
LONGEST = 1_000  # characters of a text
_SIDES = ((40, 720), (90, 480), (220, 320), (450, 256), (MOST_IMAGES, 208))  # up to so many images, the longest side
_AT_ONCE = 8
_PATIENCE, _IN_ANY_CASE = 10.0, 60  # seconds for thumbnails, and how many are made however long it takes

_CHOSEN = "CREATE TABLE chosen (image_id VARCHAR PRIMARY KEY, rank INTEGER)"
_CHOOSE = "INSERT INTO chosen SELECT image_id, $rank FROM ({}) ON CONFLICT DO NOTHING"
_FAILED = f"""
SELECT image_id FROM open
ORDER BY row_number() OVER (PARTITION BY place, reason ORDER BY image_id), place, reason LIMIT {MOST_FAILURES}
"""
_RARE = f"""
SELECT DISTINCT image_id FROM (
    SELECT min(image_id) AS image_id FROM {{}} SEMI JOIN scope USING (image_id) WHERE name IS NOT NULL
    GROUP BY name ORDER BY count(*), name LIMIT {RARE}
)
"""
_SAMPLE = "SELECT image_id FROM images SEMI JOIN scope USING (image_id) ORDER BY image_id LIMIT $number"
_TOTAL = """
SELECT count(*) FROM (SELECT image_id FROM images SEMI JOIN scope USING (image_id) UNION SELECT image_id FROM open)
"""
_IMAGES = """
SELECT c.image_id, c.rank, coalesce(i.image_uri, o.image_uri) AS uri, i.width, i.height, i.fit, p.path, o.reason,
    o.message, o.place, i.features
FROM chosen c
LEFT JOIN images i USING (image_id)
LEFT JOIN (FROM open QUALIFY row_number() OVER (PARTITION BY image_id) = 1) o USING (image_id)
LEFT JOIN (
    SELECT image_id, any_value(path) AS path FROM inputs SEMI JOIN chosen USING (image_id) GROUP BY image_id
) p USING (image_id)
ORDER BY c.rank, c.image_id
"""
_ROWS = f"""
SELECT image_id, {{label}} AS label, {{confidence}} AS confidence, {{place}} AS place
FROM {{table}} SEMI JOIN chosen USING (image_id)
QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY ordinal) <= {MOST_ROWS}
ORDER BY image_id, ordinal
"""

Known = dict[str, dict[str, list[Any]]]  # rows by image and table


class Sheet(NamedTuple):
    """`images` as the page reads them, their thumbnails in base64, the names that they refer to, and places by id."""

    images: list[dict[str, Any]]
    pictures: list[str]
    names: list[str]
    places: dict[str, int]
    total: int


class _Names:
    """Names by number: many images share them."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))


def make_sheet(reading: Reading, odd: Iterable[str]) -> Sheet:
    """The images with failures, what is odd or rare, and a fair sample, as many as `MOST_BYTES` hold."""
    rows, known, names = _choose(reading, odd), _known(reading), _Names()
    side = next(side for most, side in _SIDES if len(rows) <= most)
    shown: list[tuple[str, dict[str, Any], str]] = []
    room = MOST_BYTES
    for row, picture in _with_pictures(rows, side):
        image = _image(row, picture, known.get(row["image_id"], {}), names, reading.folder.layout.output)
        room -= len(escaped(json.dumps(image, ensure_ascii=False)).encode()) + len(picture.data)
        if room < 0:
            break
        shown.append((row["image_id"], image, picture.data))
    shown.sort(key=_order)
    total = reading.row(_TOTAL)[0]
    places = {image_id: place for place, (image_id, *_) in enumerate(shown)}
    return Sheet([one for _, one, _ in shown], [data for *_, data in shown], list(names.numbers), places, total)


def _order(one: tuple[str, dict[str, Any], str]) -> tuple[bool, bool, str]:
    """Those with a picture come first, of these the failures; else they stand by their URIs."""
    _, image, data = one
    return not data, "f" not in image, image.get("u", "")


def _choose(reading: Reading, odd: Iterable[str]) -> list[dict[str, Any]]:
    reading.rows(_CHOSEN)
    reading.rows(_CHOOSE.format(_FAILED), rank=0)
    for image_id in odd:
        reading.rows(_CHOOSE.format("SELECT $image_id AS image_id"), image_id=image_id, rank=2)
    for table in reading.held().intersection(COUNTED):
        reading.rows(_CHOOSE.format(_RARE.format(table)), rank=1)
    left = MOST_IMAGES - reading.row("SELECT count(*) FROM chosen")[0]
    reading.rows(_CHOOSE.format(_SAMPLE), rank=3, number=max(left, 0))
    return reading.dicts(_IMAGES)


def _known(reading: Reading) -> Known:
    known: Known = {}
    held = reading.held()
    for table in (*TOLD, *NAMED, *PLACED):
        if table in held:
            query = _ROWS.format(
                table=table,
                label=label_of(table),
                confidence=confidence_of(table),
                place=place_of(table) if table in PLACED else "NULL",
            )
            for image_id, *row in reading.rows(query):
                known.setdefault(image_id, {}).setdefault(table, []).append(row)
    return known


def _with_pictures(rows: list[dict[str, Any]], side: int) -> Iterator[tuple[dict[str, Any], Thumbnail]]:
    """The images with their thumbnails, a few made at once; it ends early where they take too long."""
    ends_at = time.monotonic() + _PATIENCE
    left = iter(rows)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = 0
        while some := list(islice(left, 2 * _AT_ONCE)):
            if done >= _IN_ANY_CASE and time.monotonic() > ends_at:
                return
            yield from zip(some, pool.map(lambda row: _picture(row, side), some), strict=True)
            done += len(some)


def _picture(row: dict[str, Any], side: int) -> Thumbnail:
    """The thumbnail of the file that was analyzed: a relative path may name another one here."""
    uri, path = row["uri"] or "", row["path"]
    is_relative = scheme_of(uri) is None and not os.path.isabs(uri)
    if not path and is_relative and ImageRef.of(uri).image_id != row["image_id"]:
        return Thumbnail("", "in the working folder of now, its path is that of another file")
    size = (row["width"], row["height"]) if row["width"] and row["height"] else None
    return thumbnail(path or uri, size, side, is_fitted=row["fit"] is not None)


def _image(
    row: dict[str, Any], picture: Thumbnail, known: dict[str, list[Any]], names: _Names, output: str
) -> dict[str, Any]:
    """One image as the page reads it: short names, and nothing that is empty."""
    image = {
        "u": readable(row["uri"], LONGEST),
        "w": row["width"] or picture.width,
        "h": row["height"] or picture.height,
        "n": readable(picture.why_not, LONGEST),
        "o": _original(row, picture, output),
        "f": [row["place"], row["reason"], readable(row["message"], LONGEST)] if row["reason"] else None,
        "k": row["features"],
        "c": [[readable(text, LONGEST), _short(sure)] for table in TOLD for text, sure, _ in known.get(table, ())],
        "t": [
            [names.number(readable(name, LONGEST)), _short(sure)]
            for table in NAMED
            for name, sure, _ in known.get(table, ())
        ],
        "b": {str(number): shapes for number, table in enumerate(PLACED) if (shapes := _shapes(table, known, names))},
    }
    return {name: value for name, value in image.items() if value}


def _shapes(table: str, known: dict[str, list[Any]], names: _Names) -> list[Any]:
    """Shapes as `[label, confidence, x, y, …]`. The label of a thing is the number of its name."""
    shapes = []
    for label, sure, place in known.get(table, ()):
        if is_place(place):
            text = readable(label, LONGEST)
            shown = names.number(text) if table in COUNTED else text
            shapes.append([shown, _short(sure), *(_number(number) for number in place)])
    return shapes


def _short(confidence: float | None) -> float | None:
    """Four digits, never more than it is: a threshold that it does not reach, it does not reach so either."""
    return None if confidence is None else int(confidence * 10_000) / 10_000


def _number(value: float) -> float:
    return int(value) if value == int(value) else round(value, 1)


def _original(row: dict[str, Any], picture: Thumbnail, output: str) -> str | None:
    """The address of the file itself, where a browser that opens the report beside it can show it."""
    if not picture.is_as_stored or scheme_of(output) is not None:
        return None
    try:
        path = Path(row["path"] or local_path(row["uri"])).absolute()
    except InvalidUri:
        return None
    return path.as_uri() if path.is_relative_to(Path(output).parent) else None
