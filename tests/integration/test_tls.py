"""The outcomes of the decision table once over TLS, in one job, with replies in chunks and packed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_analysis_beam.emulator import Emulator

ONCE = {"first": 1}
OUTCOMES = [
    # class or None for an answer, faults of the emulator, further criteria
    ("rejected_image", ["image_format", "image_refused", "url_not_accessible", "too_large", "unsupported_media"], {}),
    ("service_error", ["internal", "bad_gateway", "unavailable", "gateway_timeout", "request_timeout"], {}),
    ("unanswered", ["reset", {"kind": "reset", "how": "close"}, "reset_midway", "short_body", "stalled"], {}),
    ("unanswered", [{"kind": "trickled", "bytes_per_second": 20}], {}),
    ("malformed_response", ["html", "truncated_json", "no_metadata", "wrong_types"], {}),
    (None, ["wrong_content_type", "extra_fields", "null_sections", "huge", {"kind": "slow", "seconds": 0.2}], {}),
    (None, [{"kind": "throttled", "retry_after": 0.1}, {"kind": "unavailable", "retry_after": 0.1}], ONCE),
]
FIRST_WIDTH = 65
GOOD_ONES_BETWEEN = 6


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(tls=True, chunked=True, gzip=True) as running:
        monkeypatch.setenv("VISION_ENDPOINT", running.url)
        monkeypatch.setenv("VISION_KEY", running.key)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_path))
        yield running


def test_every_image_ends_where_it_would_without(emulator, run, pictures, listed):
    poisons = [(expected, fault, more) for expected, faults, more in OUTCOMES for fault in faults]
    rules = [{"match": {"width": FIRST_WIDTH + n, **more}, "fault": f} for n, (_, f, more) in enumerate(poisons)]
    emulator.set_faults({"rules": rules})
    good = iter(pictures(len(poisons) * GOOD_ONES_BETWEEN))
    images, classes = [], {}
    for number, (expected, _, _) in enumerate(poisons):
        images += [next(good) for _ in range(GOOD_ONES_BETWEEN)] + pictures(1, width=FIRST_WIDTH + number)
        classes[str(images[-1])] = expected

    once = ["--max_attempts", "1", "--ambiguous_retries", "0", "--max_in_flight", "16"]
    finished = run("--input", listed(images), *once, "--read_timeout", "5", "--request_timeout", "6")

    assert finished.code == 0, finished.err
    dead = {uri: fault_class for uri, fault_class in classes.items() if fault_class}
    assert dict(finished.rows("dead_letters", "image_uri, class")) == dead
    assert len(finished.rows("images")) == len(images) - len(dead)
    assert finished.rows("dead_letters", "DISTINCT maybe_billed", "class = 'unanswered'") == [(True,)]
    assert finished.rows("dead_letters", "DISTINCT maybe_billed", "class <> 'unanswered'") == [(False,)]


@pytest.mark.parametrize(("fault", "reason"), [("unauthorized", "unauthorized"), ("quota", "quota_spent")])
def test_a_systemic_fault_stops_the_spending(emulator, run, pictures, fault, reason):
    emulator.set_faults({"rules": [{"match": {}, "fault": fault}]})
    finished = run("--images", pictures(10)[0].parent / "*.png")
    assert finished.code == 3
    assert finished.manifest["deferred"] == {reason: 10}
    assert emulator.stats()["calls"] == 1
