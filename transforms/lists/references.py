"""From what stands in a list to an `ImageRef`: of an image, or of a line or row that names none.

A line that names no image is an input like any other: it has an id, made of its list, its position and its text, so
that it is counted once, and known as bad to the next run.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from ..endpoint.uri import ImageRef, canonical

STANDARD_INPUT = "-"
MAX_URI = 8192  # characters: no server takes a longer URL, no file system a longer path
MAX_SHOWN = 200
_SCRUBBED = 4096  # characters of a text that are looked at to show `MAX_SHOWN` of them

_NO_URI = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_QUERY = re.compile(r"[?#][^\s\"'<>]*")
_USERINFO = re.compile(r"(://)[^\s\"'<>?#]*@")
_SECRET = re.compile(
    r"(?i)((?:sig|token|secret|passw|pwd|key|auth|credential)[\w.-]{0,40}[\"']?\s*[=:]\s*[\"']?)(?:bearer\s+)?[^\s\"'&,;<>]+"
)


class NoUri(NamedTuple):
    """What stands where a URI should, and why it is none."""

    fault: str
    found: str = ""


def reference(list_name: str, position: int, found: str | NoUri) -> ImageRef:
    """The reference of one line, row or file.

    Args:
      list_name: the list, or the pattern that the file matches.
      position: line or row, from 1; 0 for a file.
      found: the URI, bytes that are not UTF-8 being half surrogate pairs (`surrogateescape`).
    """
    if isinstance(found, str):
        fault = _fault(found)
        if fault is None:
            return ImageRef.of(found, list_name, position)
        found = NoUri(fault, found)
    where = list_name if list_name == STANDARD_INPUT else canonical(list_name)
    # No canonical URI holds the end of a line: this is the id of no image.
    named = f"{where}\n{position}\n{found.found}".encode("utf-8", "surrogatepass")
    return ImageRef(
        "",
        hashlib.blake2b(named, digest_size=16).hexdigest(),
        shown(found.found),
        listed_in=list_name,
        position=position,
        fault=found.fault,
    )


def _fault(uri: str) -> str | None:
    """Why it can be no URI, as far as a look at its characters tells; None if it can."""
    if not uri:
        return "the URI is empty"
    if len(uri) > MAX_URI:
        return f"the URI is longer than {MAX_URI} characters"
    match = _NO_URI.search(uri)
    if match is None:
        return None
    return "it is not UTF-8" if match[0] >= "\ud800" else "the URI holds a control character"


def shown(text: str) -> str:
    """The beginning of any text, on one line and without secrets: bytes that are not UTF-8 as `\\xe9`."""
    text = _QUERY.sub(lambda match: f"{match[0][0]}…", text[:_SCRUBBED])
    text = _SECRET.sub(r"\1…", _USERINFO.sub(r"\1…@", text))
    line = escaped(text[: MAX_SHOWN + 1])
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 1]}…"


def escaped(text: str) -> str:
    """The text with an escape for each character that does not print, and for each byte that is not UTF-8."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
