"""Every parser takes any bytes, and gives a reference for each line or row, with its place."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.lists.parsers import (
    MAX_LINE,
    from_csv,
    from_json_lines,
    from_parquet,
    from_text,
)

PIECES = [b"\n", b"\r", b'"', b",", b"\xff", b"\0", b"\xef\xbb\xbf", b" ", b"/a.jpg", b"{", b'{"uri": "x"}']
NOISE = st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


def read(parse, data, column="uri"):
    return list(parse(io.BytesIO(data), "list", column))


def places(references):
    """`(position, URI or why there is none)` of each."""
    return [(image.position, image.uri or image.fault) for image in references]


def rows(*cells):
    """A CSV list of one column with these rows."""
    return "\n".join(["uri", *cells]).encode()


@given(NOISE)
@example(b"\xef\xbb\xbf \n\xef\xbb\xbf/a.jpg")
def test_a_text_list_has_a_reference_for_each_line_that_is_not_blank(data):
    expected = [
        number
        for number, line in enumerate(data.split(b"\n"), start=1)
        if line.decode("utf-8", "surrogateescape").lstrip("\ufeff").strip()
    ]
    assert [image.position for image in read(from_text, data)] == expected


@given(NOISE)
def test_json_lines_have_a_reference_for_each_line_that_is_not_blank(data):
    assert [image.position for image in read(from_json_lines, data)] == [
        image.position for image in read(from_text, data)
    ]


@given(NOISE)
@example(b'"\n"",\n",",\n')
def test_a_csv_list_has_a_reference_for_rows_of_any_bytes(data):
    references = read(from_csv, b"uri,name\n" + data)
    positions = [image.position for image in references]
    assert positions == sorted(set(positions))
    assert all(image.uri or image.fault for image in references)


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2)))
def test_what_a_csv_writer_wrote_is_read(table):
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["name", "uri"], *([row[0], f"/{number}.jpg"] for number, row in enumerate(table))])
    uris = [image.uri for image in read(from_csv, written.getvalue().encode())]
    assert uris == [f"/{number}.jpg" for number in range(len(table))]


@given(st.lists(st.binary(max_size=30) | st.none(), max_size=20), st.sampled_from(["binary", "string", "dictionary"]))
def test_a_parquet_list_has_a_reference_for_each_row(values, kind):
    column = pa.array(values, pa.binary())
    if kind == "string":  # Arrow does not look whether it is UTF-8
        column = pa.Array.from_buffers(pa.string(), len(column), column.buffers(), column.null_count)
    elif kind == "dictionary":
        column = column.dictionary_encode()
    file = io.BytesIO()
    pq.write_table(pa.table({"uri": column}), file)
    references = list(from_parquet(file, "list", "uri"))
    assert [image.position for image in references] == list(range(1, len(values) + 1))
    assert all(image.fault for image, value in zip(references, values, strict=True) if value is None)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_every_type_of_text_in_parquet(kind):
    file = io.BytesIO()
    pq.write_table(pa.table({"uri": pa.array([" /ü.jpg ", None], pa.string()).cast(kind)}), file)
    assert places(from_parquet(file, "list", "uri")) == [(1, "/ü.jpg"), (2, "'uri' is null")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"/caf\xe9.jpg", "not UTF-8"),
        (b"/a\x00b.jpg", "control character"),
        (b"/" + b"a" * 200_000, "longer than 8192 characters"),
        (b"/" + b"a" * (MAX_LINE + 5), "longer than 8192 characters"),
    ],
)
def test_a_line_that_can_be_no_uri(line, why):
    for parse, before, after in [(from_text, b"", b""), (from_csv, b"uri\n", b"")]:
        good, bad, last = read(parse, before + b"/1.jpg\n" + line + after + b"\n/2.jpg\n")
        assert (good.uri, bad.uri, last.uri) == ("/1.jpg", "", "/2.jpg")
        assert why in bad.fault or "field limit" in bad.fault


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"uri": null}', "'uri' is null, not a text"),
        ('{"uri": 5}', "a number"),
        ('{"uri": true}', "a boolean"),
        ('{"uri": {"a": 1}}', "an object"),
        ('{"uri": ["/a.jpg"]}', "an array"),
        ('{"uri": ""}', "empty"),
        ('{"uri": "\\ud800"}', "not UTF-8"),
        ('{"url": "/a.jpg"}', "no field 'uri'"),
        ('["/a.jpg"]', "not a JSON object"),
        ('{"uri": "/a.jpg"', "not JSON: Expecting ',' delimiter, column 17"),
        ('{"uri": ' + "9" * 5000, "too long"),
        ('{"uri": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_of_json_without_a_uri(line, why):
    (image,) = read(from_json_lines, line.encode())
    assert image.uri == ""
    assert why in image.fault
    assert image.image_uri.rstrip("…") in line


def test_other_fields_may_hold_any_bytes():
    assert read(from_json_lines, b'{"name": "caf\xe9", "uri": "/a.jpg"}')[0].uri == "/a.jpg"
    assert read(from_csv, b"name,uri\ncaf\xe9\x00,/a.jpg\n")[0].uri == "/a.jpg"


def test_the_place_of_a_csv_row_is_the_line_that_it_begins_in():
    data = b'\xef\xbb\xbfname , uri\r\n"a, b",/1.jpg\r\n\r\n"c\r\nd",/2.jpg\r\ne,\r\nf\r\n'
    assert places(read(from_csv, data)) == [
        (2, "/1.jpg"),
        (4, "/2.jpg"),
        (6, "the URI is empty"),
        (7, "the row ends before the column 'uri'"),
    ]


OPEN = "the row is not CSV: a quote is not closed"


def test_a_stray_quote_takes_no_other_row_with_it():
    assert places(read(from_csv, rows("/1.jpg", '"/2.jpg', "/3.jpg"))) == [(2, "/1.jpg"), (3, OPEN), (4, "/3.jpg")]
    two = places(read(from_csv, rows('"/1.jpg', "/2.jpg", '"/3.jpg', "/4.jpg")))
    assert two == [(2, OPEN), (3, "/2.jpg"), (4, OPEN), (5, "/4.jpg")]
    many = places(read(from_csv, rows('"', *(f"/{number}.jpg" for number in range(20_000)))))
    assert many == [(2, OPEN), *((number + 3, f"/{number}.jpg") for number in range(20_000))]


def test_a_row_with_a_field_that_is_too_large_is_one_bad_row():
    first, second = read(from_csv, b"uri,text\n/1.jpg," + b"x" * 131_073 + b"\n/2.jpg,\n")
    assert "field larger than field limit" in first.fault
    assert len(first.image_uri) <= 200
    assert second.uri == "/2.jpg"


def test_a_csv_list_that_lost_its_column_is_refused_when_it_is_read():
    assert read(from_csv, b"") == []
    with pytest.raises(ConfigurationError, match="has the columns a, b"):
        read(from_csv, b"a,b\n1,2\n")


def test_duplicate_names_of_json_fields_take_the_last():
    assert read(from_json_lines, json.dumps({"uri": "/a.jpg"})[:-1].encode() + b', "uri": "/b.jpg"}')[0].uri == "/b.jpg"
