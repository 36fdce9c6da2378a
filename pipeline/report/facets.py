"""What is in the images, added up over all of them: names, confidences, text, sizes, formats, and the odd ones."""

from __future__ import annotations

from typing import Any

from .layers import COUNTED, SURE
from .reading import Reading
from .wording import readable

MOST_NAMES = 40  # of one table
BINS = 20  # of confidences, so that each begins at a step of the slider
ODD = 12  # images of one oddity

_OF = "FROM {table} t SEMI JOIN scope USING (image_id)"
_BIN = f"least(greatest(floor(confidence * {BINS}), 0), {BINS - 1})::INTEGER"
_BINNED = f"""
CREATE OR REPLACE TEMP TABLE binned AS
SELECT name, {_BIN} AS bin, count(*) AS number {_OF} WHERE name IS NOT NULL GROUP BY ALL
"""
_NAMES = """
SELECT name, list({bin: coalesce(bin, -1), number: number}), sum(number)::BIGINT AS total
FROM binned GROUP BY name ORDER BY total DESC, name LIMIT $most
"""
_FORMATS = """
SELECT lower(regexp_extract(image_uri, '\\.([A-Za-z0-9]{1,5})(?:[?#].*)?$', 1)) AS format, count(*) AS number
FROM images SEMI JOIN scope USING (image_id) GROUP BY format ORDER BY number DESC, format LIMIT 12
"""
_SIDES = """
SELECT ceil(log2(greatest(width, height)))::INTEGER AS octave, count(*) AS number
FROM images SEMI JOIN scope USING (image_id) WHERE width > 0 AND height > 0 GROUP BY octave ORDER BY octave
"""


def facets(reading: Reading) -> dict[str, Any]:
    """The facets. What is odd is named by image ids."""
    held = reading.held()
    named = {table: one for table in COUNTED if table in held and (one := _names(reading, table))["total"]}
    sure = {table: bins for table in SURE if table in held and any(bins := _confidences(reading, table))}
    lines, with_text = reading.row(f"SELECT count(*), count(DISTINCT image_id) {_OF.format(table='read_lines')}")
    return {
        "names": named,
        "confidences": sure,
        "text": {"lines": lines, "images": with_text, "asked": _asked(reading, "read")},
        "formats": reading.rows(_FORMATS),
        "sides": [(2**octave, number) for octave, number in reading.rows(_SIDES)],
        "odd": _odd(reading),
    }


def _names(reading: Reading, table: str) -> dict[str, Any]:
    """The most frequent names with their numbers by confidence; the number without one is the last."""
    reading.rows(_BINNED.format(table=table))
    different, total = reading.row("SELECT count(DISTINCT name), coalesce(sum(number), 0)::BIGINT FROM binned")
    rows = reading.rows(_NAMES, most=MOST_NAMES)
    return {"different": different, "total": total, "most": [(readable(name), _bins(bins)) for name, bins, _ in rows]}


def _bins(found: list[dict[str, int]]) -> list[int]:
    bins = [0] * (BINS + 1)
    for entry in found:
        bins[entry["bin"]] += entry["number"]
    return bins


def _confidences(reading: Reading, table: str) -> list[int]:
    query = f"SELECT {_BIN}, count(*) {_OF.format(table=table)} WHERE isfinite(confidence) GROUP BY ALL"
    bins = [0] * BINS
    for place, number in reading.rows(query):
        bins[place] = number
    return bins


def _asked(reading: Reading, feature: str) -> int:
    query = "SELECT count(*) FROM answers SEMI JOIN scope USING (image_id) WHERE feature = $feature"
    return int(reading.row(query, feature=feature)[0])


def _odd(reading: Reading) -> list[dict[str, Any]]:
    tables = [table for table in (*COUNTED, "people", "read_lines") if table in reading.held()]
    found = " UNION ALL ".join(f"SELECT image_id FROM {table}" for table in tables)
    images = "FROM images SEMI JOIN scope USING (image_id)"
    least = "SELECT image_id FROM captions SEMI JOIN scope USING (image_id) WHERE confidence IS NOT NULL"
    odd = []
    if found:
        reading.rows(f"CREATE TABLE nothing AS SELECT image_id {images} ANTI JOIN ({found}) USING (image_id)")
        number = reading.row("SELECT count(*) FROM nothing")[0]
        odd.append(_oddity(reading, "nothing found", number, "SELECT image_id FROM nothing ORDER BY image_id"))
    several = reading.row(f"SELECT count(*) {images}")[0] > 2 * ODD
    if several:
        odd.append(_oddity(reading, "least sure captions", None, f"{least} ORDER BY confidence, image_id"))
        by_size = f"SELECT image_id {images} WHERE width > 0 ORDER BY width::BIGINT * height DESC, image_id"
        odd.append(_oddity(reading, "largest", None, by_size))
    return [one for one in odd if one["images"]]


def _oddity(reading: Reading, name: str, number: int | None, query: str) -> dict[str, Any]:
    ids = [image for (image,) in reading.rows(f"{query} LIMIT {ODD}")]
    return {"name": name, "number": number, "images": list(dict.fromkeys(ids))}
