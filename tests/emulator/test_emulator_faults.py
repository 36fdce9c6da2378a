"""Each kind of fault shows its effect on the wire, each matcher hits what it should, outages begin and end."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.emulator.behaviour import BehaviourError, parse_behaviour
from image_analysis_beam.emulator.fault_kinds import KINDS
from image_analysis_beam.emulator.faults import FaultRules, OutageWatch, Subject

from .conftest import ALL_FEATURES, PATH, Caller

REFUSALS = {
    "bad_url": (400, "InvalidRequest"),
    "url_not_accessible": (400, "InvalidRequest"),
    "image_size": (400, "InvalidRequest"),
    "image_dimension": (400, "InvalidRequest"),
    "image_format": (400, "InvalidRequest"),
    "image_refused": (400, "InvalidRequest"),
    "content_type": (400, "InvalidRequest"),
    "region": (400, "InvalidRequest"),
    "no_features": (400, "InvalidRequest"),
    "visual_feature": (400, "InvalidRequest"),
    "language": (400, "InvalidRequest"),
    "aspect_ratio": (400, "InvalidRequest"),
    "operation_blocked": (400, "OperationBlocked"),
    "unauthorized": (401, "401"),
    "wrong_tier": (401, "401"),
    "no_role": (401, "PermissionDenied"),
    "network_denied": (403, "403"),
    "key_disabled": (403, "AuthenticationTypeDisabled"),
    "not_found": (404, "404"),
    "request_timeout": (408, "408"),
    "gone": (410, "410"),
    "too_large": (413, "413"),
    "unsupported_media": (415, "415"),
    "internal": (500, "InternalServerError"),
    "unavailable": (503, "ServiceUnavailable"),
    "gateway_timeout": (504, "504"),
    "throttled": (429, "429"),
    "quota": (403, "403"),
}
ELSEWHERE = {
    "bad_gateway", "reset", "reset_midway", "stalled", "trickled", "slow", "short_body", "truncated_json", "html",
    "wrong_content_type", "no_metadata", "wrong_types", "extra_fields", "null_sections", "huge", "redirect",
}  # fmt: skip


def order(caller: Caller, kind: str, match: dict[str, Any] | None = None, **params: Any) -> None:
    caller.emulator.set_faults({"rules": [{"match": match or {}, "fault": {"kind": kind, **params}}]})


def test_every_kind_has_a_test_here():
    assert set(KINDS) == set(REFUSALS) | ELSEWHERE


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusals(caller: Caller, picture: bytes, kind):
    order(caller, kind)
    response = caller.analyze(picture)
    status, code = REFUSALS[kind]
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    stats = caller.emulator.stats()
    assert stats["by_fault"] == {kind: 1}
    assert stats["billed"] == (1 if status == 400 else 0)
    assert ("x-ms-error-code" in response.headers) is ("x-ms-region" in response.headers)


def test_retry_after_on_any_refusal(caller: Caller, picture: bytes):
    order(caller, "unavailable", retry_after=7)
    assert caller.analyze(picture).headers["Retry-After"] == "7"
    order(caller, "unavailable")
    assert "Retry-After" not in caller.analyze(picture).headers


def test_throttled_with_a_given_wait(caller: Caller, picture: bytes):
    order(caller, "throttled", retry_after=86400, form="both")
    response = caller.analyze(picture)
    assert response.headers["Retry-After"] == "86400"
    assert "retry after 86400 seconds" in response.json()["error"]["message"]


def test_quota_in_both_forms(caller: Caller, picture: bytes):
    order(caller, "quota", retry_after=1_296_000)
    gateway = caller.analyze(picture)
    assert "retry after 15 days" in gateway.json()["error"]["message"]
    assert gateway.headers["Retry-After"] == "1296000"
    order(caller, "quota", retry_after=2 * 86400 + 12 * 3600 + 45 * 60 + 36, form="legacy")
    assert caller.analyze(picture).json() == {
        "statusCode": 403,
        "message": "Out of call volume quota. Quota will be replenished in 2.12:45:36.",
    }


def test_bad_gateway_is_a_page(caller: Caller, picture: bytes):
    order(caller, "bad_gateway")
    response = caller.analyze(picture)
    assert response.status_code == 502
    assert response.headers["Content-Type"].startswith("text/html")
    assert "<h1>502 Bad Gateway</h1>" in response.text


def test_redirect(caller: Caller, picture: bytes):
    order(caller, "redirect", location="http://127.0.0.1:1/x")
    response = caller.analyze(picture)
    assert (response.status_code, response.headers["Location"]) == (307, "http://127.0.0.1:1/x")


@pytest.mark.parametrize(("how", "error"), [("rst", ConnectionResetError), ("close", http.client.RemoteDisconnected)])
def test_reset_before_any_byte(caller: Caller, picture: bytes, how, error):
    order(caller, "reset", how=how)
    with pytest.raises(error):
        raw_call(caller.emulator, picture)
    stats = caller.emulator.stats()
    assert stats["by_status"] == {"reset": 1}
    assert stats["billed"] == 0


def test_a_reset_may_have_been_billed(caller: Caller, picture: bytes):
    order(caller, "reset", billed=True)
    with pytest.raises(requests.ConnectionError):
        caller.analyze(picture)
    assert caller.emulator.stats()["billed"] == 1


def test_reset_midway(caller: Caller, picture: bytes):
    order(caller, "reset_midway")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        raw_call(caller.emulator, picture)
    assert caller.emulator.stats()["billed"] == 1


def test_short_body(caller: Caller, picture: bytes):
    order(caller, "short_body", share=0.25)
    with pytest.raises(http.client.IncompleteRead) as caught:
        raw_call(caller.emulator, picture)
    assert len(caught.value.partial) < caught.value.expected
    assert caller.emulator.stats()["by_status"] == {"short_body": 1}


def test_stalled(caller: Caller, picture: bytes):
    order(caller, "stalled")
    with pytest.raises(TimeoutError):
        raw_call(caller.emulator, picture, timeout=0.2)


def test_stalled_for_a_while(caller: Caller, picture: bytes):
    order(caller, "stalled", seconds=0.05)
    with pytest.raises(http.client.RemoteDisconnected):
        raw_call(caller.emulator, picture)


def test_trickled(caller: Caller, picture: bytes):
    order(caller, "trickled", bytes_per_second=50)
    connection = send(caller.emulator, picture, timeout=5)
    response = connection.getresponse()
    began = time.monotonic()
    assert len(response.read(6)) == 6
    assert time.monotonic() - began >= 0.06
    connection.close()


def test_slow(caller: Caller, picture: bytes):
    order(caller, "slow", seconds=0.12)
    began = time.monotonic()
    assert caller.analyze(picture).status_code == 200
    assert time.monotonic() - began >= 0.12


def test_huge(caller: Caller, picture: bytes):
    order(caller, "huge", megabytes=3)
    response = caller.analyze(picture)
    assert len(response.content) > 3 * 2**20
    assert response.json()["metadata"] == {"width": 320, "height": 240}


def test_truncated_json_is_a_whole_http_message(caller: Caller, picture: bytes):
    order(caller, "truncated_json")
    response = caller.analyze(picture)
    assert len(response.content) == int(response.headers["Content-Length"])
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(response.text)


def test_html_with_status_200(caller: Caller, picture: bytes):
    order(caller, "html")
    response = caller.analyze(picture)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.text.startswith("<!DOCTYPE html>")


def test_wrong_content_type(caller: Caller, picture: bytes):
    order(caller, "wrong_content_type")
    response = caller.analyze(picture)
    assert response.headers["Content-Type"] == "text/plain"
    assert "tagsResult" in response.json()


def test_no_metadata(caller: Caller, picture: bytes):
    order(caller, "no_metadata")
    assert set(caller.analyze(picture).json()) == {"modelVersion", "tagsResult"}


def test_null_sections(caller: Caller, picture: bytes):
    order(caller, "null_sections")
    reply = caller.analyze(picture, "tags,caption").json()
    assert reply["tagsResult"] is None
    assert reply["captionResult"] is None
    assert reply["metadata"]


def test_wrong_types(caller: Caller, picture: bytes):
    order(caller, "wrong_types")
    reply = caller.analyze(picture, "caption").json()
    assert reply["metadata"] == {"width": 320.5, "height": 240.5}
    assert reply["captionResult"]["text"] == 7
    assert isinstance(reply["captionResult"]["confidence"], str)


def test_extra_fields(caller: Caller, picture: bytes):
    order(caller, "extra_fields")
    reply = caller.analyze(picture, "tags").json()
    assert "emulatorExtra" in reply
    assert "emulatorExtra" in reply["tagsResult"]["values"][0]


def test_faults_after_the_analysis_are_billed(caller: Caller, picture: bytes):
    for i, kind in enumerate(["html", "truncated_json", "huge"], 1):
        order(caller, kind)
        caller.analyze(picture)
        assert caller.emulator.stats()["billed"] == i


def test_hostile_text(caller: Caller, picture: bytes):
    caller.emulator.set_faults({"hostile_text": True})
    reply = caller.analyze(picture, ALL_FEATURES).json()
    assert len(reply["captionResult"]["text"]) == 10_000
    assert reply["denseCaptionsResult"]["values"][0]["text"] == reply["captionResult"]["text"]
    names = [tag["name"] for tag in reply["tagsResult"]["values"]]
    assert len(set(names)) == len(names)
    lines = [line["text"] for line in reply["readResult"]["blocks"][0]["lines"]]
    everything = " ".join([*names, *lines])
    for fragment in ("<script>", '"quoted"', "\u202e", "\U0001f469\u200d", "=HYPERLINK"):
        assert fragment in everything


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


def control(emulator: Emulator, method: str, body: str | None = None) -> requests.Response:
    return requests.request(method, emulator.url + "/_emulator/faults", data=body, timeout=5)


def send(emulator: Emulator, picture: bytes, timeout: float) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(str(urlsplit(emulator.url).netloc), timeout=timeout)
    headers = {"Ocp-Apim-Subscription-Key": emulator.key, "Content-Type": "image/jpeg"}
    connection.request("POST", PATH + "?api-version=2024-02-01&features=tags", picture, headers)
    return connection


def raw_call(emulator: Emulator, picture: bytes, timeout: float = 5) -> bytes:
    """One call over a plain connection, so that the transport's own errors show."""
    connection = send(emulator, picture, timeout)
    try:
        return connection.getresponse().read()
    finally:
        connection.close()
