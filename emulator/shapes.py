"""Wire forms of the sections: the GA shape, the preview shape, and the custom-model shape."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from .analysis.geometry import Box
from .analysis.sections import Line, Sections
from .query import Query

Json = dict[str, Any]

NO_TEXT_FORMS = ("empty_blocks", "empty_lines", "absent")
"""What a GA readResult may look like when there is no text: the service's own form was never recorded."""
READ_MODEL = "2022-04-30"
_JOINER = "\u200d"


def answer(sections: Sections, query: Query, no_text: str, detector: bool) -> Json:
    """The whole reply. `detector` says what kind of custom model `query.model_name` is, if there is one."""
    size = {"width": sections.width, "height": sections.height}
    if query.model_name:
        return {
            "customModelResult": _custom(sections, detector),
            "modelVersion": f"{query.version}-emulator",
            "metadata": size,
        }
    model = query.version if query.preview else "2023-10-01"  # both GA versions were seen to answer with this
    reply: Json = {"modelVersion": f"{model}-emulator", "metadata": size}
    for feature in query.features:
        if feature == "read":
            reply["readResult"] = _preview_read(sections) if query.preview else _ga_read(sections.lines, no_text)
        else:
            name, form = _SECTIONS[feature]
            reply[name] = form(sections)
    return reply


def _box(box: Box) -> Json:
    return {"x": box.x, "y": box.y, "w": box.w, "h": box.h}


def _caption(sections: Sections) -> Json:
    return {"text": sections.caption[0], "confidence": sections.caption[1]}


def _dense(sections: Sections) -> Json:
    rows = sections.dense_captions
    return {"values": [{"text": t, "confidence": c, "boundingBox": _box(b)} for t, c, b in rows]}


def _tags(sections: Sections) -> Json:
    return {"values": [{"name": name, "confidence": c} for name, c in sections.tags]}


def _objects(sections: Sections) -> Json:
    rows = sections.objects
    return {"values": [{"boundingBox": _box(b), "tags": [{"name": n, "confidence": c}]} for n, c, b in rows]}


def _people(sections: Sections) -> Json:
    return {"values": [{"boundingBox": _box(b), "confidence": c} for c, b in sections.people]}


def _crops(sections: Sections) -> Json:
    return {"values": [{"aspectRatio": ratio, "boundingBox": _box(b)} for ratio, b in sections.crops]}


_SECTIONS: dict[str, tuple[str, Callable[[Sections], Json]]] = {
    "caption": ("captionResult", _caption),
    "denseCaptions": ("denseCaptionsResult", _dense),
    "tags": ("tagsResult", _tags),
    "objects": ("objectsResult", _objects),
    "smartCrops": ("smartCropsResult", _crops),
    "people": ("peopleResult", _people),
}


def _custom(sections: Sections, detector: bool) -> Json:
    """A classifier answers the colour shares as classes (they sum to 1), a detector the salient regions."""
    classes = [] if detector else [{"name": name, "confidence": c} for name, c in sections.colour_shares]
    found = _objects(sections) if detector else {"values": []}
    return {"tagsResult": {"values": classes}, "objectsResult": found}


def _points(polygon: tuple[int, ...]) -> list[Json]:
    return [{"x": polygon[i], "y": polygon[i + 1]} for i in range(0, 8, 2)]


def _ga_read(lines: list[Line], no_text: str) -> Json:
    if not lines:
        forms: dict[str, Json] = {
            "empty_blocks": {"blocks": []},
            "empty_lines": {"blocks": [{"lines": []}]},
            "absent": {},
        }
        return forms[no_text]
    return {"blocks": [{"lines": [_ga_line(line) for line in lines]}]}


def _ga_line(line: Line) -> Json:
    words = [{"text": w.text, "boundingPolygon": _points(w.polygon), "confidence": w.confidence} for w in line.words]
    return {"text": line.text, "boundingPolygon": _points(line.polygon), "words": words}


def _preview_read(sections: Sections) -> Json:
    """Words and lines side by side, joined by spans that count text elements (see `text_elements`)."""
    words: list[Json] = []
    lines: list[Json] = []
    offset = 0
    for line in sections.lines:
        length = text_elements(line.text)
        span = {"offset": offset, "length": length}
        lines.append({"content": line.text, "boundingBox": list(line.polygon), "spans": [span]})
        words += _preview_words(line, offset)
        offset += length + 1
    page = {
        "height": sections.height,
        "width": sections.width,
        "angle": 0,
        "pageNumber": 1,
        "words": words,
        "spans": [{"offset": 0, "length": max(0, offset - 1)}],
        "lines": lines,
    }
    return {
        "stringIndexType": "TextElements",
        "content": "\n".join(line.text for line in sections.lines),
        "pages": [page],
        "styles": [],
        "modelVersion": READ_MODEL,
    }


def _preview_words(line: Line, offset: int) -> list[Json]:
    """Words where they occur in the line's text; `offset` is the line's own in the content."""
    rows: list[Json] = []
    end = 0
    for word in line.words:
        start = max(end, line.text.find(word.text, end))
        end = start + len(word.text)
        span = {"offset": offset + text_elements(line.text[:start]), "length": text_elements(word.text)}
        rows.append(
            {
                "content": word.text,
                "boundingBox": list(word.polygon),
                "confidence": word.confidence,
                "span": span,
            }
        )
    return rows


def text_elements(text: str) -> int:
    """The number of user-perceived characters: marks, joiners and emoji modifiers extend the one before."""
    count, previous, flags = 0, "", 0
    for char in text:
        flag = "\U0001f1e6" <= char <= "\U0001f1ff"
        flags = flags + 1 if flag else 0
        extends = (
            unicodedata.category(char) in {"Mn", "Me", "Mc"}
            or char == _JOINER
            or previous == _JOINER
            or "\U0001f3fb" <= char <= "\U0001f3ff"
            or (flag and flags % 2 == 0)
            or (char == "\n" and previous == "\r")
        )
        count += not (extends and count)
        previous = char
    return count
