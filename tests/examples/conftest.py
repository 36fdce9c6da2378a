"""Pictures and lists for the examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A file that is no image."""
    path = tmp_path / "broken.png"
    path.write_text("no image")
    return path


@pytest.fixture
def uris(pictures: Callable[..., list[Path]], broken: Path, tmp_path: Path) -> Path:
    """A list of 12 pictures and one file that is none."""
    listed = tmp_path / "uris.txt"
    listed.write_text("".join(f"{path}\n" for path in [*pictures(12), broken]))
    return listed
