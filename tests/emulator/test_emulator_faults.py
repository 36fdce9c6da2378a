"""Each kind of fault shows its effect on the wire."""

from __future__ import annotations

import http.client
import json
import time
from urllib.parse import urlsplit

import pytest
import requests

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.emulator.fault_kinds import KINDS

from .conftest import ALL_FEATURES, PATH, Caller, order

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
