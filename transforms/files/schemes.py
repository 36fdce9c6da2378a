"""The scheme of a path, without Beam: what only reads a disk does not wait for its import."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([a-zA-Z][-a-zA-Z0-9+.]*)://.*", re.DOTALL)


def scheme_of(path: str) -> str | None:
    """The scheme of a URL, as Beam tells it; None for a local path."""
    match = _SCHEME.match(path)
    return match[1] if match else None
