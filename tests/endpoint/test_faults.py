import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from image_analysis_beam.transforms.endpoint.client import NoAnswer, NotSent, Reply
from image_analysis_beam.transforms.endpoint.faults import FAULTS, classify


def reply(status, code=None, message="m", inner=None, headers=None, body=None):
    error = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner, "message": "inner message"}
    body = json.dumps({"error": error}).encode() if body is None else body
    return Reply(status, CaseInsensitiveDict(headers or {}), body)


def fault_of(result, custom_model=False, max_wait=120.0):
    verdict = classify(result, custom_model=custom_model, max_wait=max_wait, now=0.0)
    return verdict.fault and verdict.fault.name


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        (NotSent("refused"), "unreachable"),
        (NoAnswer("timed out"), "unanswered"),
        (reply(400, "InvalidRequest", "The provided image url is not accessible."), "rejected_image"),
        (reply(400, "InvalidRequest", "Image format is not valid", "InvalidImageFormat"), "rejected_image"),
        (reply(400, "InvalidRequest", "Analyze query is invalid.", "NotSupportedVisualFeature"), "rejected_request"),
        (reply(400, "InvalidRequest", "Analyze query is invalid", "NotSupportedLanguage"), "rejected_request"),
        (reply(400, "InvalidRequest", "Analyze query is invalid", "BadArgument"), "rejected_request"),
        (reply(400, "OperationBlocked"), "rejected_request"),
        (reply(400, "InvalidRequest", "The feature 'Caption' is not supported in this region"), "rejected_request"),
        (reply(400, "InvalidRequest", "Either 'features' or 'model-name' needs to be specified"), "rejected_request"),
        (
            reply(400, "InvalidRequest", "The feature is not supported in this region", "InvalidImageFormat"),
            "rejected_image",
        ),
        (reply(401, "401"), "unauthorized"),
        (reply(403, "403", "Access denied due to Virtual Network/Firewall rules."), "unauthorized"),
        (reply(403, "403", "Out of call volume quota for F0."), "quota_spent"),
        (reply(403, body=b'{"statusCode":403,"message":"Out of call volume quota."}'), "quota_spent"),
        (reply(403, "403", headers={"Retry-After": "1296000"}), "quota_spent"),
        (reply(404, "404"), "unknown_endpoint"),
        (reply(307), "unknown_endpoint"),
        (reply(101, body=b""), "unknown_endpoint"),
        (reply(405, body=b"<html>"), "unknown_endpoint"),
        (reply(999, body=b""), "unknown_endpoint"),
        (reply(400, body=b"<title>400 The plain HTTP request was sent to HTTPS port</title>"), "wrong_scheme"),
        (reply(400, body=b"Client sent an HTTP request to an HTTPS server.\n"), "wrong_scheme"),
        (reply(408), "service_error"),
        (reply(410), "retired_version"),
        (reply(413), "rejected_image"),
        (reply(415), "rejected_image"),
        (reply(422), "rejected_image"),
        *((reply(status), "service_error") for status in (402, 406, 409, 421, 423, 425, 428, 451, 499, 511, 599)),
        (reply(429, "429"), "throttled"),
        (reply(431, body=b""), "rejected_request"),
        (reply(429, headers={"Retry-After": "120"}), "throttled"),
        (reply(429, headers={"Retry-After": "121"}), "quota_spent"),
        (reply(429, "429", "Try again in 86400 seconds."), "quota_spent"),
        (reply(500, "InternalServerError"), "service_error"),
        (reply(502, body=b"<html>Bad gateway</html>"), "service_error"),
        (reply(503), "service_error"),
        (reply(503, headers={"Retry-After": "2"}), "throttled"),
        (reply(504), "service_error"),
        (reply(200, body=b"<html>"), "malformed_response"),
        (reply(200, body=b"[]"), "malformed_response"),
        (reply(200, body=b"{}"), "malformed_response"),
        (reply(200, body=b'{"metadata":{"width":"1","height":1}}'), None),  # worth keeping; `flatten` refuses it
        (reply(200, body='{"metadata":{"width":1,"height":1}}'.encode("utf-16")), "malformed_response"),
        (reply(200, body=b'{"metadata":{"width":1,"height":1}}'), None),
    ],
)
def test_the_decision_table(result, fault):
    assert fault_of(result) == fault


def test_a_404_blames_the_custom_model():
    assert fault_of(reply(404), custom_model=True) == "unknown_model"


def test_codes_and_message_are_kept():
    verdict = classify(
        reply(400, "InvalidRequest", "outer", "BadArgument"), custom_model=False, max_wait=120.0, now=0.0
    )
    assert (verdict.code, verdict.inner_code, verdict.message) == (
        "InvalidRequest",
        "BadArgument",
        "outer inner message",
    )


def test_every_row_says_what_to_do():
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.fix


@pytest.mark.parametrize(("status", "words"), [(101, "HTTP 101: Switching Protocols"), (999, "HTTP 999, which is no")])
@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}"])
def test_an_odd_status_is_told_in_words(status, words, body):
    verdict = classify(reply(status, body=body), custom_model=False, max_wait=120.0, now=0.0)
    assert verdict.message.startswith(words)


@given(st.integers(100, 599), st.binary(max_size=200), st.text(max_size=20))
def test_any_reply_has_a_class(status, body, header):
    verdict = classify(Reply(status, {"Retry-After": header}, body), custom_model=False, max_wait=120.0, now=0.0)
    assert verdict.fault is not None or status == 200


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.sampled_from(["error", "code", "message", "innererror"]), v),
    )
)
def test_any_json_error_has_a_class(body):
    verdict = classify(Reply(400, {}, json.dumps(body).encode()), custom_model=False, max_wait=120.0, now=0.0)
    assert verdict.fault is not None
