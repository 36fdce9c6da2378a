"""The last lines of a run: dead letters by class, time and pace with what limited it, cost."""

from __future__ import annotations

import re

import pytest

from image_analysis_beam.pipeline.manifests import FIELDS
from image_analysis_beam.pipeline.summary import details


@pytest.fixture
def manifest():
    return FIELDS | {
        "started_at": "2026-01-01T00:00:00+00:00",
        "committed_at": "2026-01-01T00:03:20+00:00",
        "request": {"features": ["caption", "tags"]},
        "dead_letters": {"invalid_uri": 1, "rejected_image": 4, "invalid_image": 4},
        "attempts": {"answered": 1000},
        "calls": FIELDS["calls"] | {"attempts": 1010, "billed_units": 1000, "requests_per_second": 5.05},
        "limited_by": {"limit": 20, "refusals": 31},
    }


def test_a_run_with_everything(manifest):
    assert list(details(manifest)) == [
        "dead letters: 4 invalid_image, 4 rejected_image, 1 invalid_uri (docs/troubleshooting.md#single-images)",
        "time: 3 min; 5.05 calls a second, limited by the service's refusals",
        "cost: about 2.50 USD for 2000 transactions (indicative prices)",
    ]


def test_a_run_without_calls_says_its_time_only(manifest):
    nothing = {"dead_letters": {}, "limited_by": {}, "attempts": {}}
    assert list(details(manifest | nothing | {"calls": FIELDS["calls"]})) == ["time: 3 min"]


def test_what_a_later_version_waits_for_is_named_as_it_is(manifest):
    assert "limited by tides" in "\n".join(details(manifest | {"limited_by": {"tides": 1}}))


def test_manifests_without_times_are_told_of_too(manifest):
    assert not [line for line in details(manifest | {"started_at": ""}) if line.startswith("time")]


def test_the_second_run_says_that_nothing_is_new(emulator, run, pictures):
    images = pictures(3)[0].parent / "*.png"
    assert "nothing new" not in run("--images", images).out
    again = run("--images", images).out.splitlines()
    assert again[0] == "nothing new, all 3 are answered"
    assert again[1].startswith("3 images: 0 analyzed")


def test_the_end_of_a_real_run(emulator, run, pictures, tmp_path):
    broken = tmp_path / "pictures" / "broken.png"
    pictures(5)
    broken.write_bytes(b"no picture")
    said = run("--images", broken.parent / "*.png", rate="50").out.splitlines()
    assert said[0].startswith("6 images: 5 analyzed, 1 dead letter,")
    assert said[1] == "dead letters: 1 invalid_image (docs/troubleshooting.md#single-images)"
    assert re.fullmatch(r"time: \d.*; [\d.]+ calls a second(, limited by the rate .*)?", said[2])
    assert said[3] == "cost: less than 0.01 USD for 5 transactions (indicative prices)"
    assert said[4].startswith("tables: ")
