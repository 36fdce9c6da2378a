"""What `plan` sees of images that would fail without a call: by their line, their URL, or their file on a disk."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from ..transforms.endpoint.fitting import MOST_ORIGINAL_BYTES, other_formats
from ..transforms.endpoint.payload import is_sent_as_url, place_of
from ..transforms.endpoint.pictures import FORMATS, MAX_SIDE, PayloadFault, begins_like_an_image, check_sides, sides_of
from ..transforms.endpoint.request import AnalyzeRequest
from ..transforms.endpoint.signatures import has_expired
from ..transforms.endpoint.uri import ImageRef, check, local_path

EXAMPLES = 5  # of each kind
MOST_FILES, MOST_SECONDS = 50_000, 10.0  # that are spent on looking at local files
HEAD = 32 * 1024  # bytes of a file: the header of most images
FOUND, COUNTS = "found", "counts"
KINDS = {
    "expired": "their signed URLs have expired; list them again with fresh signatures",
    "no_uri": "what the list says there is no image's URI",
    "missing": "there is no such file",
    "unreadable": "the file cannot be read",
    "empty": "the file has 0 bytes",
    "too_large": "the file is larger than the service takes",
    "no_image": "the file is no image of a supported format",
    "wrong_sides": "the sides of the image are outside of the service's limits",
}


class Mistake(NamedTuple):
    """An image that would fail: where it is listed, what may be shown of it, and what is wrong."""

    listed_in: str
    position: int
    image_uri: str
    why: str
    place: str

    @property
    def told(self) -> dict[str, Any]:
        """As it stands in a plan."""
        named = {"list": self.listed_in, "position": self.position or None, "image": self.image_uri}
        return {**named, "why": self.why, "place": self.place}


class Look(beam.DoFn):
    """`ImageRef` -> the same if nothing is seen to be wrong; else, by tag, `(kind, Mistake)`; and counts.

    Of very many local files only a sample is looked at. The images come in an order that has nothing to do with their
    lists.
    """

    def __init__(self, request: AnalyzeRequest, now: float, fit: int | None = None) -> None:
        self._most, self._fit, self._now = request.max_image_bytes, fit, now

    def setup(self) -> None:
        self._files, self._seconds = 0, 0.0

    def process(self, image: ImageRef) -> Iterator[Any]:
        found = _without_its_file(image, self._now)
        if found is None and _is_local(image):
            is_looked_at = self._files < MOST_FILES and self._seconds < MOST_SECONDS
            if is_looked_at:
                self._files += 1
                begun = time.monotonic()
                found = _in_its_file(local_path(image.uri), self._most, self._fit is not None)
                self._seconds += time.monotonic() - begun
            yield TaggedOutput(COUNTS, {"local": 1, "looked_at": int(is_looked_at)})
            if self._fit and is_looked_at and found is None:
                yield TaggedOutput(COUNTS, _weight(local_path(image.uri), self._most, self._fit))
        if found is None:
            yield image
            return
        kind, why = found
        yield TaggedOutput(COUNTS, {f"mistakes.{kind}": 1})
        mistake = Mistake(image.listed_in, image.position, image.image_uri, why, place_of(image))
        yield TaggedOutput(FOUND, (kind, mistake))


def _without_its_file(image: ImageRef, now: float) -> tuple[str, str] | None:
    try:
        is_sent_as_url(image)
    except PayloadFault as error:
        return "no_uri", str(error).removeprefix(place_of(image))
    return ("expired", "") if has_expired(image.uri, now) else None


def _is_local(image: ImageRef) -> bool:
    return check(image.uri) == "file"


def _in_its_file(path: str, most: int, is_fitted: bool) -> tuple[str, str] | None:
    """What is wrong with a file, by its size and its beginning; a file that is none is not opened."""
    most = MOST_ORIGINAL_BYTES if is_fitted else most
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            return "unreadable", "it is no file"
        if facts.st_size == 0:
            return "empty", ""
        if facts.st_size > most:
            return "too_large", f"{facts.st_size} bytes, {most} are taken"
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except (FileNotFoundError, NotADirectoryError):
        return "missing", ""
    except (OSError, ValueError) as error:
        return "unreadable", getattr(error, "strerror", None) or str(error)
    return _in_its_head(head, facts.st_size <= HEAD, is_fitted)


def _weight(path: str, most: int, fit: int) -> dict[str, int]:
    """The bytes of a file, and about how many would be sent of it: as many as it has for as many pixels."""
    with suppress(OSError), open(path, "rb") as file:
        size, sides = os.stat(path).st_size, sides_of(file.read(HEAD))
        if sides is not None:
            share = min(1.0, (fit / max(sides)) ** 2)
            return {
                "fit.bytes": size,
                "fit.sent": min(int(size * share), most),
                "fit.fitted": int(share < 1 or size > most),
            }
    return {}


def _in_its_head(head: bytes, is_whole: bool, is_fitted: bool) -> tuple[str, str] | None:
    formats = (*FORMATS, *other_formats()) if is_fitted else FORMATS
    sides = sides_of(head, formats)
    if sides is None:
        return None if begins_like_an_image(head, formats) and not is_whole else ("no_image", "")
    try:
        check_sides(sides, float("inf") if is_fitted else MAX_SIDE)
    except PayloadFault as error:
        return "wrong_sides", str(error)
    return None
