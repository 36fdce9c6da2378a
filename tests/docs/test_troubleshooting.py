"""Troubleshooting: an entry for each kind of trouble, each with cause, check and fix, and the links of messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.troubleshooting import (
    OTHER,
    PAGE,
    REASONS,
    SINGLE_IMAGES,
    WHAT_TO_DO,
    entries,
    entry_of_configuration,
    entry_of_deferred,
)
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.endpoint.faults import FAULTS

TEXT = (Path(__file__).parents[2] / PAGE).read_text("utf-8")
SECTIONS = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))


def test_every_kind_of_trouble_has_an_entry_and_every_entry_a_kind():
    anchors = [heading.lower().replace(" ", "-") for heading in SECTIONS]
    assert sorted(anchors) == sorted(entries())
    assert f"\n## {SINGLE_IMAGES.replace('-', ' ').capitalize()}\n" in TEXT


@pytest.mark.parametrize("heading", SECTIONS)
def test_an_entry_has_cause_check_and_fix(heading):
    assert re.fullmatch(r"\n(.+\n\n)?- Cause: .+\n- Check: .+\n- Fix: .+\n\n?", SECTIONS[heading])


def test_every_reason_for_deferring_is_known():
    systemic = {name for name, fault in FAULTS.items() if fault.systemic}
    assert {entry_of_deferred(reason) for reason in systemic | set(WHAT_TO_DO)} == systemic | set(WHAT_TO_DO)
    assert set(WHAT_TO_DO) <= set(REASONS)
    assert entry_of_deferred("of a later version") == "exit-code-3"


def test_what_nobody_thought_of_has_an_entry_too():
    assert entry_of_configuration(str(ConfigurationError("tea", "it is cold", "warm it"))) == OTHER


def test_links_lead_to_the_page_from_any_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fly"]) == 2
    page, entry = re.findall(r"\((\S+)#(\S+)\)$", capsys.readouterr().err)[0]
    assert f"\n### {entry.replace('-', ' ').capitalize()}\n" in Path(page).read_text("utf-8")


def test_the_link_of_a_run_that_is_refused(emulator, run, pictures, monkeypatch):
    monkeypatch.setenv("VISION_KEY", "wrong")
    ended = run("--images", pictures(3)[0].parent / "*.png")
    assert ended.code == 2
    assert ended.err.rstrip().endswith("(docs/troubleshooting.md#unauthorized)")
