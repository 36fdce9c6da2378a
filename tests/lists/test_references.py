"""A line without a URI: an id of its own, and a text that can be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.payload import is_sent_as_url
from image_analysis_beam.transforms.endpoint.pictures import PayloadFault
from image_analysis_beam.transforms.lists.references import MAX_SHOWN, NoUri, reference, shown


def test_references_without_a_uri_are_not_duplicates_of_each_other():
    references = [
        reference("a.txt", 1, ""),
        reference("a.txt", 2, ""),
        reference("b.txt", 1, ""),
        reference("a.txt", 1, NoUri("it is null", "x")),
        reference("-", 1, ""),
    ]
    assert len({image.image_id for image in references}) == len(references)


def test_the_id_is_the_same_in_the_next_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reference("a.txt", 7, "\0").image_id == reference(str(tmp_path / "a.txt"), 7, "\0").image_id


def test_a_reference_knows_where_it_is_listed():
    image = reference("gs://b/a.csv", 7, "https://h/a.jpg?sig=1")
    assert (image.listed_in, image.position, image.image_uri) == ("gs://b/a.csv", 7, "https://h/a.jpg?sig=…")


@pytest.mark.parametrize(
    ("name", "position", "found", "message"),
    [
        ("a.txt", 7, "ftp://h/a", "a.txt, line 7: scheme 'ftp' is not supported"),
        ("a.csv", 7, NoUri("the row is not CSV"), "a.csv, line 7: the row is not CSV"),
        ("a.parquet", 7, "", "a.parquet, row 7: the URI is empty"),
        ("photos/*", 0, "photos/caf\udce9.jpg", r"photos/\*: it is not UTF-8"),
    ],
)
def test_the_message_names_list_and_position(name, position, found, message):
    with pytest.raises(PayloadFault, match=message) as failed:
        is_sent_as_url(reference(name, position, found))
    assert failed.value.fault == "invalid_uri"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/caf\udce9.jpg", "/caf\\xe9.jpg"),
        ("a\x00b\nc\u202e\ud800", "a\\x00b\\nc\\u202e\\ud800"),
        ("日本 ünï.jpg", "日本 ünï.jpg"),
        ("x" * 300, "x" * 199 + "…"),
        ("https://h/a\udcff?sv=1&sig=CANARY", "https://h/a\\xff?…"),
        ("https://user:CAN@ARY@h/a\udcff#access_token=CANARY", "https://…@h/a\\xff#…"),
        ('{"a": "https://h/a?x=1", "b": "https://h/b?sig=CANARY"', '{"a": "https://h/a?…", "b": "https://h/b?…"'),
        ('{"uri": 5, "password": "CANARY", "api_key":"CANARY"}', '{"uri": 5, "password": "…", "api_key":"…"}'),
        ("https://h/a\udcff&sig=CANARY", "https://h/a\\xff&sig=…"),
        ("Authorization: Bearer CANARY", "Authorization: …"),
    ],
)
def test_what_is_shown(text, what):
    assert shown(text) == what


@given(st.text(st.characters(), max_size=400))
def test_any_text_can_be_shown(text):
    line = shown(text)
    assert len(line) <= MAX_SHOWN
    assert line.isprintable()
    line.encode()
