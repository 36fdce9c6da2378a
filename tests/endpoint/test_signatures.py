"""When a signed URL ends, in every form that the signing schemes write it."""

import base64
import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.signatures import signature_ends_at


def policy(moment):
    statement = {"Resource": "https://h/*?>>~~", "Condition": {"DateLessThan": {"AWS:EpochTime": moment}}}
    encoded = base64.b64encode(json.dumps({"Statement": [statement]}).encode()).decode()
    return encoded.replace("+", "-").replace("=", "_").replace("/", "~")


def version_4(who, date, expires):
    rest = f"X-{who}-Algorithm=A&X-{who}-Credential=C&X-{who}-SignedHeaders=host&X-{who}-Signature=S"
    return f"{rest}&X-{who}-Date={date}&X-{who}-Expires={expires}"


@pytest.mark.parametrize(
    ("query", "ends_at"),
    [
        ("sv=2022&sr=b&sp=r&sig=S&se=2026-01-02T03:04:05Z", "2026-01-02T03:04:05"),
        ("sv=2022&sr=b&sp=r&sig=S&se=2026-01-02T03%3A04Z", "2026-01-02T03:04:00"),
        ("sv=2022&sr=b&sp=r&sig=S&se=2026-01-02", "2026-01-02T00:00:00"),
        ("sv=2022&sr=b&sp=r&sig=S&se=2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05.123456"),
        ("sv=2022&sr=b&sp=r&sig=S&se=2026-01-02T03:04:05%2B02:00", "2026-01-02T01:04:05"),
        ("SV=2022&SIG=S&SE=2026-01-02&w=3#top", "2026-01-02T00:00:00"),
        ("sv=2022&sig=S&se=2026-01-02&skoid=1&ske=2026-01-01T12:00:00Z", "2026-01-01T12:00:00"),
        (version_4("Amz", "20260102T030405Z", 60), "2026-01-02T03:05:05"),
        (version_4("Goog", "20260102T030405Z", 3600), "2026-01-02T04:04:05"),
        ("AWSAccessKeyId=K&Signature=S&Expires=1767323045", "2026-01-02T03:04:05"),
        ("GoogleAccessId=K&Signature=S&Expires=1767323045", "2026-01-02T03:04:05"),
        ("Key-Pair-Id=K&Signature=S&Expires=1767323045", "2026-01-02T03:04:05"),
        (f"Key-Pair-Id=K&Signature=S&Policy={policy(1767323045)}", "2026-01-02T03:04:05"),
        ("hdnts=st=1~exp=1767323045~acl=/*~hmac=S", "2026-01-02T03:04:05"),
        ("hdnea=exp%3D1767323045%7Eacl%3D%2F*%7Ehmac%3DS", "2026-01-02T03:04:05"),
    ],
)
def test_the_end_of_a_signature(query, ends_at):
    expected = datetime.fromisoformat(ends_at).replace(tzinfo=timezone.utc).timestamp()
    assert signature_ends_at(f"https://h/a.jpg?{query}") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "query",
    [
        "w=3",
        "se=2020-01-01",
        "sig=S&se=2020-01-01",
        "Signature=S&Expires=1",
        "sv=2022&sr=b&si=policy&sig=S",
        "sv=2022&sig=S&se=tomorrow",
        "AWSAccessKeyId=K&Signature=S&Expires=-1",
        "AWSAccessKeyId=K&Signature=S&Expires=\u00b2",
        "Key-Pair-Id=K&Signature=S&Policy=e30_",
        f"Key-Pair-Id=K&Signature=S&Policy={policy(-1e30)}",
        f"Key-Pair-Id=K&Signature=S&Policy={policy(float('nan'))}",
        "Key-Pair-Id=K&Signature=S&Policy=\u00e9",
        version_4("Amz", "2026-01-02", 60),
        version_4("Amz", "20260102T030405Z", "9" * 30),
        "hdnts=S",
    ],
)
def test_what_does_not_say_its_end_has_none(query):
    assert signature_ends_at(f"https://h/a.jpg?{query}") is None


def test_what_is_no_url_has_no_signature():
    assert signature_ends_at("gs://b/a.jpg?sv=2022&sig=S&se=2020-01-01") is None
    assert signature_ends_at("HTTPS://b/a.jpg?sv=2022&sig=S&se=2020-01-01") is not None


VALUES = st.text(alphabet="0129TZ:-+%~=.{}\u00e9 ", max_size=30) | st.integers().map(str) | st.text(max_size=8)


@given(VALUES, VALUES)
def test_any_value_is_an_end_or_none(one, other):
    for query in (
        f"sv=1&sig=S&se={one}&ske={other}",
        version_4("Amz", one, other),
        f"Key-Pair-Id=K&Signature=S&Expires={one}",
        f"Key-Pair-Id=K&Signature=S&Policy={other}",
        f"hdnea={one}~exp={other}",
    ):
        ends_at = signature_ends_at(f"https://h/a.jpg?{query}")
        assert ends_at is None or isinstance(ends_at, float)
