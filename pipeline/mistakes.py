"""What `plan` sees of images that would fail without a call: by their line, their URL, or their file on a disk."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from ..transforms.endpoint.fitting import MOST_ORIGINAL_BYTES, other_formats
from ..transforms.endpoint.payload import is_sent_as_url, place_of
from ..transforms.endpoint.pictures import (
    FORMATS,
    MAX_SIDE,
    Header,
    PayloadFault,
    begins_like_an_image,
    check_sides,
    header_of,
)
from ..transforms.endpoint.request import AnalyzeRequest
from ..transforms.endpoint.signatures import has_expired
from ..transforms.endpoint.uri import ImageRef, check, local_path

EXAMPLES = 5  # of each kind
MOST_FILES, MOST_SECONDS = 50_000, 10.0  # that are spent on looking at local files
HEAD = 32 * 1024  # bytes of a file that hold the header of most images
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
        self._request, self._fit, self._now = request, fit, now

    def setup(self) -> None:
        self._files, self._seconds = 0, 0.0

    def process(self, image: ImageRef) -> Iterator[Any]:
        found = _without_its_file(image, self._now)
        if found is None and _is_local(image):
            weight: dict[str, int] = {}
            is_looked_at = self._files < MOST_FILES and self._seconds < MOST_SECONDS
            if is_looked_at:
                self._files += 1
                begun = time.monotonic()
                found, weight = _in_its_file(local_path(image.uri), self._request, self._fit)
                self._seconds += time.monotonic() - begun
            yield TaggedOutput(COUNTS, {"local": 1, "looked_at": int(is_looked_at), **weight})
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


def _in_its_file(path: str, request: AnalyzeRequest, fit: int | None) -> tuple[tuple[str, str] | None, dict[str, int]]:
    """What is wrong with a file, by its size and header, or what `--fit` makes of it; what is no file is not opened."""
    most = MOST_ORIGINAL_BYTES if fit else request.max_image_bytes
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            return ("unreadable", "it is no file"), {}
        if facts.st_size == 0:
            return ("empty", ""), {}
        if facts.st_size > most:
            return ("too_large", f"{facts.st_size} bytes, {most} are taken"), {}
        with open(path, "rb") as file:
            header = _header(file, (*FORMATS, *other_formats()) if fit else FORMATS)
        if header is None:
            return ("no_image", ""), {}
        check_sides(header[1:], float("inf") if fit else MAX_SIDE)
    except (FileNotFoundError, NotADirectoryError):
        return ("missing", ""), {}
    except (OSError, ValueError) as error:
        return ("unreadable", getattr(error, "strerror", None) or str(error)), {}
    except PayloadFault as error:
        return ("wrong_sides", str(error)), {}
    return None, _weight(facts.st_size, header, request, fit) if fit else {}


def _header(file: BinaryIO, formats: Iterable[str]) -> Header | None:
    """Format and sides; those of a HEIC or WEBP are told by the whole file alone."""
    head = file.read(HEAD)
    header = header_of(head, formats)
    if header is None and begins_like_an_image(head, formats):
        return header_of(head + file.read(), formats)
    return header


def _weight(size: int, header: Header, request: AnalyzeRequest, fit: int) -> dict[str, int]:
    """The bytes of a file, and about how many would be sent of it: as many as it has for as many pixels."""
    share, most = min(1.0, (fit / max(header[1:])) ** 2), request.max_image_bytes
    is_fitted = share < 1 or size > most or header.format not in request.image_formats
    return {"fit.bytes": size, "fit.sent": min(int(size * share), most), "fit.fitted": int(is_fitted)}
