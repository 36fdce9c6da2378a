"""The environment and pictures of the examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def uris(pictures: Callable[..., list[Path]], tmp_path: Path) -> Path:
    """A list of 12 pictures and one file that is none."""
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    listed = tmp_path / "uris.txt"
    listed.write_text("".join(f"{path}\n" for path in [*pictures(12), broken]))
    return listed
