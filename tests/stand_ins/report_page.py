"""What a report's page holds: its data, its thumbnails, and its parts as a parser sees them."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image


class Page(HTMLParser):
    """The page of an output folder. `data` is what it shows; `elements` and `text` are those of the markup alone."""

    def __init__(self, output: Path) -> None:
        super().__init__()
        self.html, self.elements, self.text, self._within = (output / "report.html").read_text(), [], "", ""
        self._scripts: dict[str, str] = {}
        self.feed(self.html)
        self.data: dict[str, Any] = json.loads(self._scripts["data"])

    def handle_starttag(self, tag, attributes):
        self._within = dict(attributes).get("id", "") if tag == "script" else tag
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self._within = "body"

    def handle_data(self, data):
        if self._within in ("data", "thumbnails"):
            self._scripts[self._within] = self._scripts.get(self._within, "") + data
        elif self._within not in ("style", ""):
            self.text += data

    @property
    def images(self) -> list[dict[str, Any]]:
        """The images of the sheet."""
        return self.data["sheet"]["images"]

    @property
    def pictures(self) -> list[str]:
        """Their thumbnails in base64; what has none is empty."""
        lines = self._scripts.get("thumbnails", "").split("\n") if self.images else []
        assert len(lines) == len(self.images)
        return lines

    def outcome(self, name: str) -> int:
        """A number of the accounts."""
        return next(number for outcome, number, _ in self.data["outcomes"] if outcome == name)

    def names(self, table: str) -> dict[str, int]:
        """The most frequent names of a table, with how often they are there."""
        return {name: sum(bins) for name, bins in self.data["facets"]["names"][table]["most"]}

    def shapes(self, image: dict[str, Any], table: str) -> list[list[Any]]:
        """The shapes of a table over an image: label, confidence, place."""
        number = [name for name, _ in self.data["sheet"]["layers"]].index(table)
        return image.get("b", {}).get(str(number), [])


def decoded(picture: str) -> Image.Image:
    """A thumbnail."""
    return Image.open(io.BytesIO(base64.b64decode(picture)))


def sections(html: str) -> list[str]:
    """The ids of the page's parts."""
    return re.findall(r'<section id="(\w+)"', html)
