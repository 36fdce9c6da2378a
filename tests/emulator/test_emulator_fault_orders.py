"""Which calls a fault hits, when outages begin and end, and how orders are given."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
import requests

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.emulator.behaviour import BehaviourError, parse_behaviour
from image_analysis_beam.emulator.faults import FaultRules, OutageWatch, Subject

from .conftest import Caller, control, order

# --- which calls ---


def subjects(count: int) -> list[Subject]:
    return [Subject(hashlib.sha256(bytes([i % 256, i // 256])).hexdigest()) for i in range(count)]


def rules(**match: Any) -> FaultRules:
    return FaultRules(parse_behaviour({"rules": [{"match": match, "fault": "internal"}]}).rules)


def hits(found: FaultRules, calls: list[Subject]) -> list[bool]:
    return [found.find(subject) is not None for subject in calls]


def test_rate_picks_the_same_images_each_time():
    calls = subjects(2000)
    first, again, other = (hits(rules(rate=0.1, seed=seed), calls) for seed in (1, 1, 2))
    assert first == again != other
    assert 150 < sum(first) < 250
    assert not any(hits(rules(rate=0), calls))
    assert all(hits(rules(rate=1), calls))


def test_every_nth_call():
    assert hits(rules(every=3), subjects(7)) == [False, False, True, False, False, True, False]


def test_first_calls_of_each_image():
    one, two = subjects(2)
    found = rules(first=2, per_image=True)
    assert hits(found, [one, two, one, one, two, two]) == [True, True, True, False, True, False]


def test_the_first_rule_that_matches_wins():
    document = {"rules": [{"match": {"first": 1}, "fault": "internal"}, {"fault": "unavailable"}]}
    found = FaultRules(parse_behaviour(document).rules)
    kinds = [fault.kind for fault in (found.find(subject) for subject in subjects(3)) if fault]
    assert kinds == ["internal", "unavailable", "unavailable"]


def test_twice_unavailable_then_well(caller: Caller, picture: bytes):
    order(caller, "unavailable", {"first": 2, "per_image": True})
    assert [caller.analyze(picture).status_code for _ in range(4)] == [503, 503, 200, 200]


def test_by_hash(caller: Caller, picture: bytes):
    order(caller, "internal", {"sha256": hashlib.sha256(picture).hexdigest()})
    assert caller.analyze(picture).status_code == 500
    assert caller.analyze(picture + b"\0").status_code == 200


def test_by_sides(caller: Caller, picture: bytes):
    order(caller, "internal", {"width": 320, "height": [200, 300]})
    assert caller.analyze(picture).status_code == 500
    order(caller, "internal", {"width": [321, 400]})
    assert caller.analyze(picture).status_code == 200


def test_by_url(caller: Caller, web, picture: bytes):
    order(caller, "internal", {"url": r"/bad\d\.jpg$"})
    statuses = {}
    for name in ("/bad1.jpg", "/good.jpg"):
        body = json.dumps({"url": web.put(name, picture)})
        statuses[name] = caller.post(body, "application/json", features="tags").status_code
    assert statuses == {"/bad1.jpg": 500, "/good.jpg": 200}


def test_a_picture_behind_an_url_is_matched_by_its_bytes(caller: Caller, web, picture: bytes):
    order(caller, "internal", {"sha256": hashlib.sha256(picture).hexdigest()})
    body = json.dumps({"url": web.put("/plain.jpg", picture)})
    assert caller.post(body, "application/json", features="tags").status_code == 500


# --- outages ---


def watch(outage: dict[str, Any], arrivals: list[float]) -> list[bool]:
    now = [0.0]
    outages = OutageWatch(parse_behaviour({"outage": outage}).outage, lambda: now[0])
    result = []
    for at in arrivals:
        now[0] = at
        result.append(outages.fault() is not None)
    return result


def test_outage_after_calls_for_calls():
    assert watch({"after_calls": 2, "calls": 3}, [0] * 7) == [False, False, True, True, True, False, False]


def test_outage_after_seconds_for_seconds():
    assert watch({"after_seconds": 1, "seconds": 2}, [0, 0.9, 1, 2.9, 3, 9]) == [False, False, True, True, False, False]


def test_outage_begins_on_time_even_if_nobody_calls():
    assert watch({"after_seconds": 1, "seconds": 2}, [5]) == [False]


def test_outage_after_calls_for_seconds():
    assert watch({"after_calls": 1, "seconds": 2}, [0, 5, 6.9, 7.1]) == [False, True, True, False]


def test_outage_over_http(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"outage": {"after_calls": 1, "calls": 2, "kind": "reset"}})
    assert caller.analyze(picture).status_code == 200
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            caller.analyze(picture)
    assert caller.analyze(picture).status_code == 200
    stats = caller.emulator.stats()
    assert stats["outage_arrivals"] == 2
    assert stats["by_status"] == {"200": 2, "reset": 2}


def test_outage_of_a_kind_that_spoils_answers(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"outage": {"after_calls": 0, "calls": 1, "kind": "html"}})
    assert caller.analyze(picture).text.startswith("<!DOCTYPE html>")
    assert "tagsResult" in caller.analyze(picture).json()


# --- the order itself ---

BAD_ORDERS = [
    ([], "the document: must be an object"),
    ({"rulez": []}, "unknown rulez; allowed are limits, throttle_form"),
    ({"rules": {}}, "rules: must be a list"),
    ({"rules": [{}]}, "rules[0].fault: is required"),
    ({"rules": [{"fault": "explode"}]}, "rules[0].fault.kind: must be one of bad_url"),
    ({"rules": [{"fault": {"kind": "html", "size": 1}}]}, "rules[0].fault: unknown size"),
    ({"rules": [{"fault": {"kind": "reset", "how": "fin"}}]}, "rules[0].fault.how: must be one of rst, close"),
    ({"rules": [{"fault": {"kind": "huge", "megabytes": "x"}}]}, "rules[0].fault.megabytes: must be a float"),
    ({"rules": [{"fault": {"kind": "slow", "seconds": -1}}]}, "rules[0].fault.seconds: must not be negative"),
    ({"rules": [{"match": {"rate": 3}, "fault": "gone"}]}, "rules[0].match.rate: must be between 0 and 1, got 3"),
    ({"rules": [{"match": {"every": 0}, "fault": "gone"}]}, "rules[0].match.every: must be between 1"),
    ({"rules": [{"match": {"url": "("}, "fault": "gone"}]}, "rules[0].match.url: is not a regular expression"),
    ({"rules": [{"match": {"sha256": "x"}, "fault": "gone"}]}, "rules[0].match.sha256: must be 64"),
    ({"rules": [{"match": {"width": [1]}, "fault": "gone"}]}, "rules[0].match.width: must be a number or"),
    ({"limits": [{"kind": "leaky", "calls": 1}]}, "limits[0].kind: must be one of sliding, bucket"),
    ({"limits": [{}]}, "limits[0].calls: is required"),
    ({"latency": {"kind": "gamma"}}, "latency.kind: must be one of fixed"),
    ({"latency": {"probability": 2}}, "latency.probability: must be between 0 and 1"),
    ({"outage": {"seconds": 1}}, "outage: give either after_calls or after_seconds"),
    ({"outage": {"after_calls": 1}}, "outage: give either seconds or calls"),
    ({"retired": 1}, "retired: must be a bool"),
    ({"no_text": "blank"}, "no_text: must be one of empty_blocks"),
    ({"chunked": "yes"}, "chunked: must be a bool"),
    ({"close_idle_after": -1}, "close_idle_after: must be between 0 and"),
    ({"throttle_form": "loud"}, "throttle_form: must be one of both"),
]


@pytest.mark.parametrize(("document", "reason"), BAD_ORDERS)
def test_bad_orders_are_explained(document, reason):
    with pytest.raises(BehaviourError, match="^" + re.escape(reason)):
        parse_behaviour(document)


def test_a_bad_order_changes_nothing(emulator: Emulator):
    emulator.set_faults({"retired": True})
    with pytest.raises(ValueError, match="retired: must be a bool"):
        emulator.set_faults({"retired": "yes", "hostile_text": True})
    assert control(emulator, "GET").json() == {"retired": True}
    assert control(emulator, "POST", "{").status_code == 400


def test_orders_add_up_and_are_cleared(emulator: Emulator):
    emulator.set_faults({"retired": True})
    assert emulator.set_faults({"no_text": "absent"}) == {"retired": True, "no_text": "absent"}
    assert control(emulator, "DELETE").json() == {}


def test_clearing_goes_back_to_the_start():
    with Emulator(retired=True) as emulator:
        emulator.set_faults({"retired": False, "hostile_text": True})
        emulator.reset()
        assert control(emulator, "GET").json() == {"retired": True}
