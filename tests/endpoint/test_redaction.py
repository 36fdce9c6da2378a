"""Whatever is planted in a URI as a secret is in nothing that is shown."""

import html
import json
import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.redaction import redact, scrub, scrub_answer
from image_analysis_beam.transforms.endpoint.uri import ImageRef

SAS = "sv=2022-11-02&se=2026-01-01T00%3A00%3A00Z&sr=b&sp=r&sig=CANARY%2Fabc%3D"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://u:CANARY@h/a.jpg", "https://h/a.jpg"),
        ("https://bob:p@CANARY9@h.example/x", "https://h.example/x"),
        ("https://bob:p/CANARY@h.example/x@2x.png", "https://h.example/x@2x.png"),
        ("https://bob:CANARY?#ss@h/x", "https://h/x"),
        ("https://bob:123/CANARY@h.example/x", "https://h.example/x"),
        ("https:/bob:CANARY@h/x", "https:/h/x"),
        ("//bob:CANARY@h/x", "//h/x"),
        ("s3://KEY:CAN/ARY+CANARY@bucket/x@2x.png", "s3://bucket/x@2x.png"),
        (f"https://h/a.jpg?{SAS}", "https://h/a.jpg"),
        (f"https://h/a.jpg?w=3&{SAS}#CANARY", "https://h/a.jpg?w=3"),
        ("https://h/x#access_token=CANARY", "https://h/x"),
        ("https://h/a?access_token=CANARY&b=1", "https://h/a?access_token=…&b=1"),
        ("https://h/a?b=1&amp;token=CANARY", "https://h/a?b=1&amp;token=…"),
        ("https://h/a?X-Amz-Signature=CANARY&w=3", "https://h/a?X-Amz-Signature=…&w=3"),
        ("https://h/a?key=AIzaSyCANARY-0123456789", "https://h/a?key=…"),
        ("https://h/a;jsessionid=CANARY", "https://h/a;jsessionid=…"),
        ("ftp://u:CANARY@h/a?sig=CANARY", "ftp://h/a?sig=…"),
        ("https://[broken?sig=CANARY", "https://[broken?sig=…"),
        ("https://h/a?s%69g=CANARY", "https://h/a?s%69g=…"),
        (
            "https://h/?src=https%3A%2F%2Fi%2Fx%3Fsig%3DCANARY%26w%3D3",
            "https://h/?src=https%3A%2F%2Fi%2Fx%3Fsig%3D…%26w%3D3",
        ),
        ("https://h/https%3A%2F%2Fu%3ACANARY%40i%2Fx", "https://h/https%3A%2F%2F…%40i%2Fx"),
        ("https://h.example/https://u:CANARY@i/x", "https://h.example/https://…@i/x"),
        ("h.example/a.jpg?sig=CANARY", "h.example/a.jpg?sig=…"),
    ],
)
def test_redaction(uri, shown):
    assert redact(uri) == shown
    assert ImageRef.of(uri).image_uri == shown


@pytest.mark.parametrize(
    "uri",
    [
        "/tmp/what?.jpg",
        "/tmp/a b.jpg",
        "/data//session=3/a@2x.png",
        "x#y.jpg",
        "C:/a@b.png",
        "gs://bucket/a?b#c@d",
        "https://h.example/@user/a@2x.png?mail=me@example.org",
        "http://127.0.0.1:9000/a@2x.png",
        "http://localhost:9000/a@2x.png",
        "http://[::1]:9000/a@2x.png",
        "https://h/a?key=photos/a.jpg&author=me&design=2&w=%20",
        "caf\udce9.jpg?w=\udce9",
    ],
)
def test_what_is_no_secret_is_shown(uri):
    assert redact(uri) == uri


def test_two_images_that_read_the_same_are_two():
    one, other = ImageRef.of("https://h/a?token=A"), ImageRef.of("https://h/a?token=B")
    assert one.image_uri == other.image_uri == "https://h/a?token=…"
    assert one.image_id != other.image_id


SIGNED = "https://user:hunter22@host/a.jpg?sv=2024&se=2026-01-01&sp=r&sig=abc%2Bdefgh%3D&size=large"


@pytest.mark.parametrize(
    ("text", "uri", "scrubbed"),
    [
        (f"cannot fetch {SIGNED}", SIGNED, "cannot fetch https://…@host/a.jpg?…&size=large"),
        ("no sig abc+defgh=, no abc%2Bdefgh%3D, no ABC%2bDEFGH=", SIGNED, "no sig …, no …, no …"),
        ("large r 2024", SIGNED, "large r 2024"),
        ("X-Amz-Signature 0123456789", "https://h/a?X-Amz-Signature=0123456789", "X-Amz-Signature …"),
        ("password hunter22", SIGNED, "password …"),
        ("user ssw0rd9", "https://bob:p@ssw0rd9@h/x", "user …"),
        ("user p@ssw0rd9", "https://bob:p@ssw0rd9@h/x", "user …"),
        ("nothing of it", SIGNED, "nothing of it"),
        ("a b c", "https://h/a?sig=b", "a b c"),
        ("see https://h/a?sig=b!", "https://h/a?sig=b", "see https://h/a?sig=…"),
        ('{"url": "https:\\/\\/h?w=1\\u0026sig=ab\\/c\\"d"}', "", '{"url": "https:\\/\\/h?w=1\\u0026sig=…\\"d"}'),
        ("<p>https://h/a?w=1&amp;sig=abc&#x26;v=2</p>", "", "<p>https://h/a?w=1&amp;sig=…&#x26;v=2</p>"),
        ("https://user:hunter22@host/a.jpg?sv=2 is cut: abc%2Bde", SIGNED, "https://…@host/a.jpg?sv=2 is cut: …"),
    ],
)  # fmt: skip
def test_a_text_that_quotes_a_uri_loses_its_secrets(text, uri, scrubbed):
    assert scrub(text, uri) == scrubbed


def test_an_answer_loses_only_what_cannot_be_a_word_of_it():
    uri = "https://people:captions@h/a.jpg?sig=0123456789abcdefABCDEF%3D"
    answer = {"peopleResult": "captions: password=x", "sig": "0123456789abcdefabcdef="}
    quoted = json.dumps({**answer, "url": f"at {uri}"}).replace("/", "\\/").replace("=", "\\u003d")
    assert json.loads(scrub_answer(quoted, uri + "#top")) == {**answer, "sig": "…", "url": "at …"}
    assert scrub_answer(quoted, "https://h/a.jpg?w=3#top") == quoted


CANARY = "Xq7canaryZ"
ODD = st.text(alphabet="@:;!$'()*+,=[]|~^{}`\"<>\\. %é🙂&", max_size=6)
NAMES = ["token", "sig", "Signature", "AUTH", "password", "api_key", "subscription-key", "X-Amz-Credential", "hmac"]
NAMES += ["x-goog-signature", "client_secret", "accessToken", "apiKey", "SAS", "x%2Dapi%2Dkey", "jwt", "pwd"]
ENDS = st.sampled_from(["", "&w=3", "&amp;w=3", "#top", "&mail=me@i.example"])
SCHEMES = st.sampled_from(["https", "HTTP", "s3", "ftp"])
PLAIN = st.text(alphabet="abz./-_%20é", max_size=6)


def with_password(scheme, before, after, path, end):
    return f"{scheme}://bob:{before}{CANARY}{after}@host.example/{path}{end}"


def with_parameter(name, path, before, after, end):
    return f"https://host.example/{path}?w=3&{name}={before}{CANARY}{after}{end}"


def with_nested(uri, levels):
    for _ in range(levels):
        uri = f"https://proxy.example/?w=3&src={quote(uri, safe='', errors='surrogatepass')}&h=4"
    return uri


VALUES = ODD.map(lambda text: text.replace("&", "%26"))
SECRET_URIS = st.builds(lambda before, path: f"https://host.example/{path}#{before}{CANARY}", ODD, PLAIN) | st.builds(
    with_nested,
    st.builds(with_password, SCHEMES, ODD, ODD, PLAIN, ENDS)
    | st.builds(with_password, st.just("https"), st.just("p/w?#"), ODD, PLAIN, st.just(""))
    | st.builds(with_parameter, st.sampled_from(NAMES), PLAIN, VALUES, VALUES, ENDS)
    | st.builds(lambda path, after: f"https://h/{path}#access_token={CANARY}{after}", PLAIN, VALUES)
    | st.builds(lambda path, end: f"https://h/{path}?sv=1&se=2026&sp=r&sig={CANARY}{end}", PLAIN, ENDS),
    st.integers(0, 3),
)


@given(SECRET_URIS)
def test_no_planted_secret_is_shown(uri):
    assert CANARY.lower() not in redact(uri).lower()


@given(SECRET_URIS | st.text() | st.text(alphabet="https:/@?#&=%254026\\;.…token", max_size=60))
def test_redaction_is_idempotent(uri):
    assert redact(redact(uri)) == redact(uri)


ECHOES = st.sampled_from(
    [
        str,
        repr,
        quote,
        unquote,
        unquote_plus,
        lambda uri: re.sub("[a-z]", lambda found: found[0].upper(), uri),
        lambda uri: quote(uri, safe=""),
        lambda uri: quote_plus(quote_plus(uri)),
        lambda uri: quote(unquote(uri), safe="/:?=&").lower(),
        html.escape,
        json.dumps,
        lambda uri: json.dumps({"a": json.dumps(uri)}).replace("/", "\\/"),
        lambda uri: json.dumps(uri, ensure_ascii=False).replace("&", "\\u0026"),
        lambda uri: html.escape(json.dumps(quote(uri))),
        lambda uri: "".join(f"%{byte:02x}" for byte in uri.encode()),
        lambda uri: uri.replace(CANARY, quote(CANARY[:4]) + "".join(f"%{ord(char):X}" for char in CANARY[4:])),
        lambda uri: uri.partition("?")[2] or uri,
    ]
)


@given(
    SECRET_URIS, ECHOES, st.sampled_from(["", "the url ", '{"message": "']), st.sampled_from(["", " is wrong", '"}'])
)
def test_no_planted_secret_is_quoted(uri, echo, before, after):
    assert CANARY.lower() not in fully_decoded(scrub(before + echo(uri) + after, uri))


def fully_decoded(text):
    for _ in range(8):
        text = html.unescape(unquote(re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)))
    return text.lower()
