"""Which image a URI names: spellings, signatures, and ids that stay what they were."""

import hashlib
import os
import re
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.uri import (
    ImageRef,
    InvalidUri,
    canonical,
    check,
    former_image_id,
    image_id,
    local_path,
    sendable,
)

SAS = "sv=2022-11-02&se=2026-01-01T00%3A00%3A00Z&sr=b&sp=r&sig=CANARY%2Fabc%3D"
AWS_4, GCS_4 = (
    f"X-{who}-Algorithm=A&X-{who}-Credential=C&X-{who}-Date=20260101T000000Z&X-{who}-Expires=60"
    f"&X-{who}-SignedHeaders=host&X-{who}-Signature=CANARY"
    for who in ("Amz", "Goog")
)
SIGNATURES = [
    SAS,
    "sv=2022-11-02&si=policy&sr=b&sig=CANARY",
    "sv=2022&se=2026-01-01&skoid=1&sktid=2&skt=3&ske=2026-01-01&sks=b&skv=2022&sr=b&sp=r&sig=CANARY",
    AWS_4,
    AWS_4 + "&X-Amz-Security-Token=CANARY",
    GCS_4,
    "AWSAccessKeyId=AK&Signature=CANARY&Expires=1",
    "GoogleAccessId=me%40h&Signature=CANARY&Expires=1",
    "Expires=1&Signature=CANARY&Key-Pair-Id=K",
    "Policy=e30_&Signature=CANARY&Key-Pair-Id=K",
    "hdnea=exp=1~acl=/*~hmac=CANARY",
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Host.example/a.jpg", "HTTPS://host.EXAMPLE/a.jpg"),
        ("https://h/a.jpg", "https://h:443/a.jpg"),
        ("http://h/a.jpg", "http://h:80/a.jpg"),
        ("https://h/a.jpg#top", "https://h/a.jpg"),
        ("https://user:pw@h/a.jpg", "https://h/a.jpg"),
        ("https://bob:p@ssw0rd9@h/a.jpg", "https://h/a.jpg"),
        ("file:///tmp/a%20b.jpg", "/tmp/a b.jpg"),
        ("/tmp/x/../a.jpg", "/tmp/a.jpg"),
        ("GS://bucket/a.jpg", "gs://bucket/a.jpg"),
    ],
)
def test_spellings_of_one_image(one, other):
    assert image_id(one) == image_id(other)


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("image", ["https://h/a.jpg", "https://h/a.jpg?w=3&v=2", "https://h/a.jpg?token=A"])
def test_a_signature_is_no_part_of_the_image(image, signature):
    signed = image + ("&" if "?" in image else "?") + signature
    assert image_id(signed) == image_id(signed.replace("CANARY", "another")) == image_id(image)
    assert former_image_id(signed) == former_image_id(image)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h/a.jpg", "https://h/A.jpg"),
        ("https://h/a.jpg?v=1", "https://h/a.jpg?v=2"),
        ("https://h/a.jpg?se=1", "https://h/a.jpg?se=2"),
        ("https://h/a?expires=1", "https://h/a?expires=2"),
        ("https://h/a?token=A", "https://h/a?token=B"),
        ("https://h/a?token", "https://h/a"),
        ("https://h/a?auth=A&w=1", "https://h/a?auth=B&w=1"),
        ("https://h/a?sig=A", "https://h/a?sig=B"),
        ("https://h/a?se=1&sig=A", "https://h/a?se=1&sig=B"),
        ("https://h/a?Signature=A&Expires=1", "https://h/a?Signature=B&Expires=1"),
        ("https://h/a?X-Amz-Signature=A", "https://h/a?X-Amz-Signature=B"),
        ("https://h/a?X-Goog-Date=1", "https://h/a?X-Goog-Date=2"),
        ("gs://b/a#1.jpg", "gs://b/a#2.jpg"),
        ("gs://b/a?1.jpg", "gs://b/a?2.jpg"),
        ("gs://b/a?token=1", "gs://b/a?token=2"),
        ("/tmp/a#1.jpg", "/tmp/a#2.jpg"),
        ("/tmp/a?sig=1.jpg", "/tmp/a?sig=2.jpg"),
    ],
)
def test_different_images(one, other):
    assert image_id(one) != image_id(other)


# The ids of the versions before signing schemes were recognised, as they were computed then.
_SECRETS = ["access_token", "api_key", "apikey", "auth", "hdnea", "hdnts", "hmac", "password", "secret", "sig"]
_SECRETS += ["signature", "subscription-key", "token"]
_SAS = [
    "sv",
    "ss",
    "srt",
    "sp",
    "se",
    "st",
    "sr",
    "spr",
    "si",
    "sip",
    "sdd",
    "scid",
    "saoid",
    "suoid",
    "skoid",
    "sktid",
]
_SAS += ["skt", "ske", "sks", "skv", "ses"]
_SIGNED = ["expires", "googleaccessid", "awsaccesskeyid", "key-pair-id", "policy"]


def id_of_earlier_versions(uri):
    return hashlib.blake2b(_canonical(uri).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _canonical(uri):
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", uri)
    if match is None:
        return os.path.abspath(uri)
    scheme = match[1].lower()
    if scheme == "file":
        return os.path.abspath(unquote(uri[match.end() :]))
    if scheme not in ("http", "https"):
        return f"{scheme}://{uri[match.end() :]}"
    try:
        parts = urlsplit(uri)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return uri
    host = f"[{host}]" if ":" in host else host
    if port is not None and port != {"http": 80, "https": 443}[scheme]:
        host = f"{host}:{port}"
    names = {part.partition("=")[0].lower() for part in parts.query.split("&")}
    dropped = {*_SECRETS, *(_SAS if "sig" in names else ()), *(_SIGNED if "signature" in names else ())}
    kept = []
    for part in parts.query.split("&") if parts.query else ():
        name = unquote(part.partition("=")[0]).lower()
        if name not in dropped and not name.startswith(("x-goog-", "x-amz-")):
            kept.append(part)
    return urlunsplit((scheme, host, parts.path or "/", "&".join(kept), ""))


SCHEMES = st.sampled_from(["", "/", "file://", "http://", "HTTPS://", "gs://", "s3://b/", "ftp://"])
HOSTS = st.sampled_from(["h", "Host.Example:443", "u:p@h", "u:p@ss@h", "[::1]:8080", "h:99999", "[broken", ""])
PATHS = st.text(alphabet="abcXYZ019/.%25&=;+@: é\udcff", max_size=12)
ORDINARY = st.sampled_from(["w=3", "V=%20", "v", "se=1", "expires=2", "key=a.jpg", "sp", "a=b=c", "", "policy=p"])
SECRET = st.sampled_from(
    ["token=A", "auth=A", "s%69g=A", "sig=A", "Signature=A", "X-Amz-Date=1", "hmac", "Expires=1", "se=1", "PASSWORD=x"]
)


def uris(parameters):
    queries = st.lists(parameters, max_size=6).map("&".join)
    return st.builds(lambda *parts: "{}{}/{}?{}#{}".format(*parts), SCHEMES, HOSTS, PATHS, queries, PATHS)


@given(uris(ORDINARY | st.sampled_from(SIGNATURES)))
def test_ids_of_uris_without_a_lone_secret_stay_what_they_were(uri):
    assert image_id(uri) == id_of_earlier_versions(uri)
    assert former_image_id(uri) is None


@given(st.text() | uris(ORDINARY | SECRET | st.sampled_from(SIGNATURES)))
def test_every_image_knows_its_former_id_and_is_planned_in_its_shard(uri):
    former = former_image_id(uri) or image_id(uri)
    assert former == id_of_earlier_versions(uri)
    assert image_id(uri)[:8] == former[:8]


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("http://h/a", "http"),
        ("HTTPS://h/a", "https"),
        ("gs://b/o", "gs"),
        ("s3://b/o", "s3"),
        ("azfs://a/c/o", "azfs"),
        ("file:///a", "file"),
        ("a/b.jpg", "file"),
        ("/päth/日本.jpg", "file"),
    ],
)
def test_readable_schemes(uri, scheme):
    assert check(uri) == scheme


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("ftp://h/a", "'ftp' is not supported"),
        ("http:///a", "no host"),
        ("https://h:99999/a", "malformed"),
        ("https://[::1/a", "malformed"),
        ("/a\x00b", "control character"),
        ("data:image/png;base64,AAAA", "data: URIs"),
        ("gs://", "gs://BUCKET/OBJECT"),
        ("gs://bucket", "gs://BUCKET/OBJECT"),
        ("GS://bucket/", "gs://BUCKET/OBJECT"),
        ("s3:///key", "s3://BUCKET/KEY"),
        ("azfs://account/container", "azfs://ACCOUNT/CONTAINER/BLOB"),
    ],
)
def test_invalid_uris_say_why(uri, why):
    with pytest.raises(InvalidUri, match=why):
        check(uri)


@pytest.mark.parametrize(
    "uri", ["https://bob:CANARY/ss@h/x", "https://bob:x@[CANARY]/x", "https://bob:CANARY\u2100@h/x", "https://[CANARY"]
)
def test_why_a_uri_is_malformed_quotes_no_password(uri):
    with pytest.raises(InvalidUri, match="percent-encoded") as raised:
        check(uri)
    assert "canary" not in str(raised.value).lower()


def test_local_path_and_sendable_url():
    assert local_path("file:///a%20b") == "/a b"
    assert local_path("GS://B/a%20b") == "gs://B/a%20b"
    assert sendable("https://h/ä b.jpg?x=%20#f") == "https://h/%C3%A4%20b.jpg?x=%20"


@given(st.text())
def test_any_text_has_a_reference(text):
    ref = ImageRef.of(text)
    assert len(ref.image_id) == 32
    assert image_id(text) == ref.image_id


@given(st.text(alphabet="abc/.?&=#:@%", max_size=40))
def test_canonical_form_is_stable(text):
    uri = "https://host/" + text
    assert canonical(canonical(uri)) == canonical(uri)
