"""The page: a template with its style and script, the data as JSON, and the thumbnails as text, one a line.

The script puts every foreign text into the page as text. The policy lets no other script run, and nothing be loaded but
what is in the page and the files that were analyzed.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from string import Template
from typing import Any

from .sheet import Sheet
from .wording import escaped

_SCRIPTS = (
    "base",
    "charts",
    "filters",
    "sheet",
    "lightbox",
    "verdict",
    "needs",
    "facets",
    "went",
    "runs",
)  # each stands on those before it


def render(data: dict[str, Any], sheet: Sheet) -> str:
    """The whole page."""
    style, script = _part("report.css"), _script()
    return Template(_part("report.html")).substitute(
        title=html.escape(f"Run {data['run']['id']}"),
        style_hash=_hash(style),
        script_hash=_hash(script),
        style=style,
        script=script,
        data=escaped(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
        pictures="\n".join(sheet.pictures),
    )


def _script() -> str:
    """All parts as one, whose names are nobody else's."""
    parts = "\n".join(_part(f"{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
