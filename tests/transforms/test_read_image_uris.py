"""Lists in every format, compressed or on standard input; globs and folders."""

import gzip
import io
import json
import sys

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that, equal_to

from image_analysis_beam.transforms import ConfigurationError, ReadImageUris


def read(expected, **options):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        refs = pipeline | ReadImageUris(**options)
        assert_that(refs | beam.Map(lambda ref: ref.uri), equal_to(expected))


def test_text_with_blank_lines_windows_ends_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeff/a b.jpg\r\n\n   \nhttps://h/ü.png?x=1\r\ngs://b/last".encode())
    read(["/a b.jpg", "https://h/ü.png?x=1", "gs://b/last"], lists=[str(path)])


def test_a_line_that_is_not_utf_8_is_counted(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"/caf\xe9.jpg\n/good.jpg\n")
    read(["", "/good.jpg"], lists=[str(path)])


def test_csv(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text('name,link\n"a, b",/1.jpg\n"c\nd",/2.jpg\ne,\n')
    read(["/1.jpg", "/2.jpg", ""], lists=[str(path)], uri_column="link")


def test_json_lines(tmp_path):
    path = tmp_path / "list.jsonl"
    lines = [json.dumps({"uri": "/1.jpg"}), "", "{broken", json.dumps({"url": "x"}), json.dumps({"uri": 5}), "[1]"]
    path.write_text("\n".join(lines))
    read(["/1.jpg", "", "", "", ""], lists=[str(path)])


def test_parquet(tmp_path):
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({"uri": ["/1.jpg", None, "/2.jpg"], "other": [1, 2, 3]}), path)
    read(["/1.jpg", "", "/2.jpg"], lists=[str(path)])


def test_patterns_and_globs_together(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"/{name}.jpg\n")
    for name in ("x.png", "y.png", "z.jpg"):
        (tmp_path / name).touch()
    expected = ["/a.txt.jpg", "/b.txt.jpg", str(tmp_path / "x.png"), str(tmp_path / "y.png")]
    read(expected, lists=[str(tmp_path / "*.txt")], images=[str(tmp_path / "*.png")])


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt.gz", "/1.jpg\n"), ("a.csv.GZ", "uri\n/1.jpg\n"), ("a.jsonl.gz", '{"uri": "/1.jpg"}'), ("gz", "/1.jpg")],
)
def test_compressed_lists(tmp_path, name, text):
    data = text.encode()
    # Two members, as `cat` and parallel compressors make them: the second one is read too.
    (tmp_path / name).write_bytes(gzip.compress(data) + gzip.compress(b"\n") if name != "gz" else data)
    read(["/1.jpg"], lists=[str(tmp_path / name)])


def test_a_folder_of_images(tmp_path):
    for name in ("x.png", "y.txt"):
        (tmp_path / name).touch()
    read([str(tmp_path / "x.png")], images=[str(tmp_path)])


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/1.jpg\n\n/2.jpg\n")))
    source = ReadImageUris(lists=["-"])
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        refs = pipeline | source
        found = refs | beam.Map(lambda ref: (ref.uri, ref.listed_in, ref.position))
        assert_that(found, equal_to([("/1.jpg", "-", 1), ("/2.jpg", "-", 3)]))


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigurationError, match="input '-': it is closed"):
        ReadImageUris(lists=["-"])


def test_each_file_of_a_pattern_is_checked(tmp_path):
    for number in range(100):
        (tmp_path / f"{number:02d}.csv").write_text("uri\n" if number != 73 else "url\n")
    with pytest.raises(ConfigurationError, match=r"73\.csv has the columns url"):
        ReadImageUris(lists=[str(tmp_path / "*.csv")])


def test_a_column_that_no_list_has(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(ConfigurationError, match="uri_column 'link': no list of the input has columns"):
        ReadImageUris(lists=[str(tmp_path / "a.txt")], uri_column="link")


def test_what_cannot_be_read_is_refused_at_construction(tmp_path):
    (tmp_path / "list.csv").write_text("a,b\n")
    with pytest.raises(ConfigurationError, match="no input"):
        ReadImageUris()
    with pytest.raises(ConfigurationError, match="matches no file"):
        ReadImageUris(images=[str(tmp_path / "*.png")])
    with pytest.raises(ConfigurationError, match="has the columns a, b"):
        ReadImageUris(lists=[str(tmp_path / "list.csv")])
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ConfigurationError, match="for image files use --images"):
        ReadImageUris(lists=[str(tmp_path / "a.jpg")])
