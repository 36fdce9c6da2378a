"""The two shapes of `readResult`, told apart by what they hold: `pages` (preview) or `blocks` (GA).

Shared by the tables `read_pages`, `read_lines`, `read_words` and `read_styles`.
"""

from __future__ import annotations

from typing import Any

from .reading import Malformed, UnknownFields, exact_float, exact_int, objects, shown, the_object

SECTION = "readResult"
PREVIEW_KNOWN = frozenset({"stringIndexType", "content", "pages", "styles", "modelVersion"})
GA_KNOWN = frozenset({"blocks"})
_SPAN_KNOWN = frozenset({"offset", "length"})
_POINT_KNOWN = frozenset("xy")

Span = dict[str, int]


def is_preview(value: Any) -> bool:
    """Whether the section has the preview's shape; the GA shape may lack everything."""
    return "pages" in the_object(value, SECTION)


def preview_pages(section: dict[str, Any]) -> list[dict[str, Any]]:
    """The pages of the preview shape."""
    return objects(section, "pages", SECTION)


def ga_blocks(section: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks of the GA shape; an image without text may have none."""
    return objects(section, "blocks", SECTION, required=False)


def ga_lines(section: dict[str, Any]) -> list[tuple[int, str, list[dict[str, Any]]]]:
    """`(block's position, path, lines)` of the GA shape."""
    return [
        (
            block,
            f"{SECTION}.blocks[{block}].lines",
            objects(item, "lines", f"{SECTION}.blocks[{block}]", required=False),
        )
        for block, item in enumerate(ga_blocks(section))
    ]


def flat_polygons(items: list[dict[str, Any]], path: str) -> list[float]:
    """The eight numbers of each item's preview `boundingBox`, one after the other."""
    flat: list[float] = []
    for position, item in enumerate(items):
        numbers = item.get("boundingBox")
        where = f"{path}[{position}].boundingBox"
        if type(numbers) is not list or len(numbers) != 8:
            raise Malformed(where, f"expected a list of 8 numbers, got {shown(numbers)}")
        if set(map(type, numbers)) == {int} and max(numbers) < 2**53 and min(numbers) > -(2**53):
            flat.extend(numbers)
        else:
            holder = {str(index): number for index, number in enumerate(numbers)}
            flat.extend(
                exact_float(number, f"{where}[{index}]", holder, str(index)) for index, number in enumerate(numbers)
            )
    return flat


def point_polygons(items: list[dict[str, Any]], path: str, unknown: UnknownFields) -> list[float]:
    """The eight numbers of each item's GA `boundingPolygon` of four points, one after the other."""
    flat: list[float] = []
    for position, item in enumerate(items):
        points = item.get("boundingPolygon")
        if type(points) is not list or len(points) != 4 or set(map(type, points)) != {dict}:
            raise Malformed(f"{path}[{position}].boundingPolygon", f"expected a list of 4 points, got {shown(points)}")
        try:
            numbers = [points[0]["x"], points[0]["y"], points[1]["x"], points[1]["y"]]
            numbers += [points[2]["x"], points[2]["y"], points[3]["x"], points[3]["y"]]
        except KeyError:
            numbers = [None]
        known = len(points[0]) == len(points[1]) == len(points[2]) == len(points[3]) == 2
        if set(map(type, numbers)) == {int} and max(numbers) < 2**31 and min(numbers) >= -(2**31) and known:
            flat.extend(numbers)
        else:
            flat.extend(_points_one_by_one(points, f"{path}[{position}].boundingPolygon", unknown))
    return flat


def _points_one_by_one(points: list[dict[str, Any]], path: str, unknown: UnknownFields) -> list[int]:
    unknown.check_all(points, _POINT_KNOWN, f"{SECTION}.blocks[].lines[].boundingPolygon[]")
    return [exact_int(point, axis, f"{path}[{index}]") for index, point in enumerate(points) for axis in "xy"]


def span(value: Any, path: str, unknown: UnknownFields) -> Span:
    """A span: offset and length in text elements, as given."""
    item = the_object(value, path)
    unknown.check(item, _SPAN_KNOWN, f"{SECTION}.spans[]")
    return {"offset": exact_int(item, "offset", path), "length": exact_int(item, "length", path)}


def spans(item: dict[str, Any], path: str, unknown: UnknownFields) -> list[Span]:
    """The list of spans of one object."""
    found = objects(item, "spans", path)
    return [span(value, f"{path}.spans[{index}]", unknown) for index, value in enumerate(found)]
