"""The handbook: links lead somewhere, made parts are current, every flag, command, fault and table is told of."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import apache_beam as beam
import pytest

from image_analysis_beam import transforms
from image_analysis_beam.pipeline.__main__ import COMMANDS
from image_analysis_beam.pipeline.documentation import GENERATED, current
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.transforms.endpoint.faults import FAULTS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on code hosts."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_of_the_handbook_is_linked_from_the_readme():
    linked = set(LINK.findall((ROOT / "README.md").read_text("utf-8")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= {link.partition("#")[0] for link in linked}


@pytest.mark.parametrize("name", GENERATED)
def test_what_follows_from_the_code_is_current(name):
    text = (ROOT / name).read_text("utf-8")
    assert current(text, name) == text, "run `python -m image_analysis_beam.pipeline.documentation`"


def test_nothing_is_left_out():
    readme, outcomes = ((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/outcomes.md"))
    assert not [name for name in COMMANDS if f"`{name}`" not in readme]
    assert not [name for name in FAULTS if f"`{name}`" not in outcomes]
    assert not [name for name in TABLES if f"`{name}`" not in readme]


def test_every_transform_has_its_contract_in_the_table():
    text = (ROOT / "docs" / "transforms.md").read_text("utf-8")
    (table,) = re.findall(r"^What each promises:\n\n((?:\|.*\n)+)", text, re.MULTILINE)
    public = [name for name in transforms.__all__ if _is_transform(getattr(transforms, name))]
    assert len(public) > 6
    assert not [name for name in public if f"`{name}`" not in table]


def _is_transform(given: object) -> bool:
    return isinstance(given, type) and issubclass(given, beam.PTransform)


def test_the_readme_fits_a_screen_or_two():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120
