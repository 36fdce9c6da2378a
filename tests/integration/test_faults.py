"""The decision table, row by row, through the whole job: class, attempts, where the image ended, and the sum of all."""

import pytest

POISON = 700  # from this width on, each fault has a picture; their names come after the good ones
ANSWERED = None
# Seconds that a busy machine does not pause for: the good images are to be answered within them.
PATIENT = ["--ambiguous_retries", "0", "--read_timeout", "5", "--request_timeout", "6"]

IMAGE_FAULTS = [
    # fault of the emulator, flags, class or ANSWERED, attempts, maybe_billed, retryable
    ("image_format", [], "rejected_image", 1, False, False),
    ("image_refused", [], "rejected_image", 1, False, False),
    ("url_not_accessible", [], "rejected_image", 1, False, False),
    ("too_large", [], "rejected_image", 1, False, False),
    ("unsupported_media", [], "rejected_image", 1, False, False),
    ("internal", ["--max_attempts", "2"], "service_error", 2, False, True),
    ("bad_gateway", ["--max_attempts", "1"], "service_error", 1, False, True),
    ("unavailable", ["--max_attempts", "2"], "service_error", 2, False, True),
    ("gateway_timeout", ["--max_attempts", "1"], "service_error", 1, False, True),
    ("request_timeout", ["--max_attempts", "1"], "service_error", 1, False, True),
    ("reset", [], "unanswered", 2, True, True),
    ("reset", ["--ambiguous_retries", "0"], "unanswered", 1, True, True),
    ("reset_midway", ["--ambiguous_retries", "0"], "unanswered", 1, True, True),
    ("short_body", ["--ambiguous_retries", "0"], "unanswered", 1, True, True),
    ("stalled", PATIENT, "unanswered", 1, True, True),
    ("trickled", PATIENT, "unanswered", 1, True, True),
    ("html", [], "malformed_response", 1, False, False),
    ("truncated_json", [], "malformed_response", 1, False, False),
    ("no_metadata", [], "malformed_response", 1, False, False),
    ("wrong_types", [], "malformed_response", 1, False, False),
    ("wrong_content_type", [], ANSWERED, 1, False, None),
    ("extra_fields", [], ANSWERED, 1, False, None),
    ("null_sections", [], ANSWERED, 1, False, None),
    ("huge", [], ANSWERED, 1, False, None),
    ({"kind": "throttled", "retry_after": 0.05, "form": "ms", "once": True}, [], ANSWERED, 2, False, None),
    ({"kind": "unavailable", "retry_after": 0.1, "once": True}, [], ANSWERED, 2, False, None),
    ({"kind": "internal", "once": True}, [], ANSWERED, 2, False, None),
    ({"kind": "reset", "once": True}, [], ANSWERED, 2, True, None),
    ({"kind": "throttled", "retry_after": 0.2}, ["--call_deadline", "5"], "throttled", None, False, None),
]


FLAGS = list(dict.fromkeys(tuple(row[1]) for row in IMAGE_FAULTS))


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_one_image_of_each_fault_among_good_ones(emulator, run, pictures, flags):
    folder, rules, poisoned = pictures(30)[0].parent, [], {}
    for number, (fault, fault_flags, *expected) in enumerate(IMAGE_FAULTS):
        if tuple(fault_flags) == flags:
            (path,) = pictures(1, width=POISON + number)
            fault = {"kind": fault} if isinstance(fault, str) else dict(fault)
            match = {"width": POISON + number} | ({"first": 1} if fault.pop("once", False) else {})
            rules.append({"match": match, "fault": fault})
            poisoned[str(path)] = expected
    emulator.set_faults({"rules": rules})

    finished = run("--images", folder / "*.png", *flags)

    accounts = finished.manifest["conservation"]
    answered = {uri: row for uri, row in poisoned.items() if row[0] is ANSWERED}
    deferred = [uri for uri, row in poisoned.items() if row[0] == "throttled"]
    assert (accounts["input"], accounts["analyzed"]) == (30 + len(poisoned), 30 + len(answered))
    assert accounts["input"] == sum(
        accounts[k] for k in ("analyzed", "dead_letters", "deferred", "skipped", "duplicates")
    )
    attempted = finished.rows("images", "image_uri, attempts, maybe_billed", f"width >= {POISON}")
    assert sorted(attempted) == sorted((uri, attempts, billed) for uri, (_, attempts, billed, _) in answered.items())
    dead = finished.rows("dead_letters", "image_uri, class, attempts, maybe_billed, retryable")
    failed = poisoned.keys() - answered.keys() - set(deferred)
    assert sorted(dead) == sorted((uri, *poisoned[uri]) for uri in failed)
    assert finished.rows("deferred", "image_uri, reason") == [(uri, "throttled") for uri in deferred]
    assert finished.code == (3 if deferred else 0)


def also(*row):
    """Another spelling of a fault that is there, on its way through the whole job."""
    return pytest.param(*row, marks=pytest.mark.long)


SYSTEMIC = [
    ("unauthorized", "unauthorized", "check VISION_KEY"),
    also("wrong_tier", "unauthorized", "check VISION_KEY"),
    also("network_denied", "unauthorized", "check VISION_KEY"),
    ("quota", "quota_spent", "wait for the quota"),
    also({"kind": "quota", "form": "legacy"}, "quota_spent", "wait for the quota"),
    ({"kind": "throttled", "retry_after": 86400}, "quota_spent", "wait for the quota"),
    also({"kind": "throttled", "retry_after": 86400, "form": "message"}, "quota_spent", "wait for the quota"),
    ("not_found", "unknown_endpoint", "--endpoint"),
    also("redirect", "unknown_endpoint", "--endpoint"),
    ("gone", "retired_version", "--api_version"),
    ("visual_feature", "rejected_request", "features"),
    also("language", "rejected_request", "language"),
    also("region", "rejected_request", "region"),
    also("aspect_ratio", "rejected_request", "ratios"),
]


@pytest.mark.parametrize(("fault", "reason", "fix"), SYSTEMIC, ids=str)
def test_a_systemic_fault_stops_the_spending(emulator, run, pictures, fault, reason, fix):
    folder = pictures(40)[0].parent
    emulator.set_faults({"rules": [{"match": {}, "fault": fault}]})
    finished = run("--images", folder / "*.png")
    assert finished.code == 3
    assert finished.manifest["deferred"] == {reason: 40}
    assert emulator.stats()["calls"] == 1
    (line,) = [line for line in finished.err.splitlines() if line.startswith("incomplete")]
    assert reason in line
    assert fix in line


def test_an_unknown_model_is_systemic(emulator, run, pictures):
    finished = run("--images", pictures(20)[0].parent / "*.png", "--model_name", "nobody", features=None)
    assert finished.code == 3
    assert finished.manifest["deferred"] == {"unknown_model": 20}
    assert emulator.stats()["calls"] == 1


def test_a_systemic_fault_in_the_middle_keeps_what_was_answered(emulator, run, pictures):
    folder = pictures(60)[0].parent
    emulator.set_faults({"outage": {"after_calls": 30, "calls": 1000, "kind": "quota"}})
    finished = run("--images", folder / "*.png")
    assert finished.code == 3
    accounts = finished.manifest["conservation"]
    assert (accounts["analyzed"], accounts["deferred"]) == (30, 30)


def test_unknown_fields_are_named_in_the_manifest(emulator, run, pictures):
    emulator.set_faults({"rules": [{"match": {}, "fault": "extra_fields"}]})
    finished = run("--images", pictures(3)[0].parent / "*.png")
    assert finished.code == 0
    named = finished.manifest["unknown_fields"]
    assert named
    assert all(number % 3 == 0 and "[0]" not in path for path, number in named.items())


def test_wait_longer_than_max_wait_is_a_spent_quota(emulator, run, pictures):
    emulator.set_faults({"rules": [{"match": {}, "fault": {"kind": "throttled", "retry_after": 3}}]})
    finished = run("--images", pictures(3)[0].parent / "*.png", "--max_wait", "2")
    assert finished.manifest["deferred"] == {"quota_spent": 3}


def test_the_trickle_ends_at_the_deadline(emulator, run, pictures):
    """Neither connect nor read time-out would end it: a byte comes every second."""
    emulator.set_faults({"rules": [{"match": {}, "fault": "trickled"}]})
    finished = run("--images", pictures(1)[0], "--call_deadline", "2.5", "--ambiguous_retries", "0")
    assert (finished.code, finished.manifest["deferred"]) == (3, {"outage": 1}), "nothing was ever answered"
    assert 2.5 * 0.9 <= finished.manifest["latency_seconds"]["p50"] < 30, "all of it takes minutes"
