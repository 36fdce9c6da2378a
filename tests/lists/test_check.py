"""A list that cannot be read is refused before anything is spent, with what to do."""

import gzip
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.lists.check import check_list
from image_analysis_beam.transforms.lists.files import ListFile, list_format

URIS = "".join(f"/photos/{number}-ü.jpg\n" for number in range(20))
NOISE = random.Random(1).randbytes(50_000)


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """`refused(name, data)`: the words with which a list of that name and content is refused."""
    monkeypatch.chdir(tmp_path)

    def refusal(name, data, column="uri"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigurationError) as error:
            check_list(ListFile.at(name), column)
        return str(error.value)

    return refusal


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be", "latin-1"])
def test_other_encodings_are_recognised(refused, encoding):
    words = refused("my uris.txt", URIS.encode(encoding))
    assert words.startswith("input 'my uris.txt': ")
    name = {"latin-1": "LATIN1"}.get(encoding, encoding.upper().replace("-LE", "LE").replace("-BE", "BE"))
    assert f"convert it: iconv -f {name} -t UTF-8 < 'my uris.txt' > 'my uris.utf8.txt'" in words


def test_the_fix_of_a_compressed_list_and_of_standard_input(refused, tmp_path):
    packed = gzip.compress(URIS.encode("utf-16"))
    assert "gzip -dc a.csv.gz | iconv -f UTF-16 -t UTF-8 > a.utf8.csv" in refused("a.csv.gz", packed)
    (tmp_path / "spooled.txt").write_bytes(URIS.encode("utf-16"))
    with pytest.raises(ConfigurationError, match=r"input '-': .*; pipe it through iconv -f UTF-16 -t UTF-8$"):
        check_list(ListFile("spooled.txt", "-"), "uri")


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_lines_that_end_in_cr_alone_are_named(refused, name, tmp_path):
    ending = name.partition(".")[2]
    words = refused(name, b"uri\ra.jpg\rb.jpg\r")
    assert "its lines end in CR alone" in words
    assert words.endswith(f"convert it: tr '\\r' '\\n' < {name} > a.lf.{ending}")
    (tmp_path / name).write_bytes(b"uri\r\na.jpg\r\n")
    check_list(ListFile.at(name), "uri")
    (tmp_path / name).write_bytes(b"uri\r")
    check_list(ListFile.at(name), "uri")


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.parquet", "a.txt.gz", "a"])
def test_noise_is_refused(refused, name):
    assert f"input '{name}': " in refused(name, NOISE)


def test_half_of_the_lines_may_be_noise(tmp_path):
    lines = [b"/good.jpg", b"", b"\xff\xfe\xfd"] * 500
    (tmp_path / "a.txt").write_bytes(b"\n".join(lines))
    check_list(ListFile.at(str(tmp_path / "a.txt")), "uri")


def test_what_comes_after_the_first_thousand_lines_is_not_looked_at(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"/good.jpg\n" * 1000 + b"\xff\n" * 5000)
    check_list(ListFile.at(str(tmp_path / "a.txt")), "uri")


def test_a_line_that_goes_on_beyond_what_is_looked_at_is_not_judged(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b" " + "ü".encode() * 1024 * 1024)
    check_list(ListFile.at(str(tmp_path / "a.jsonl")), "uri")


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_an_empty_list_is_a_list(tmp_path, name):
    (tmp_path / name).touch()
    check_list(ListFile.at(str(tmp_path / name)), "uri")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "has the columns a, b; set --uri_column to one of them"),
        ("name;uri\na;/a.jpg\n", "it looks separated by ';': separate it by commas"),
        ("name\turi\na\t/a.jpg\n", "it looks separated by tabs"),
        ("https://h/a.jpg?sig=CANARY\nhttps://h/b.jpg\n", "is the header missing? Add a line above it that names uri"),
        ("a.jpg,5\nb.jpg,6\n", "is the header missing?"),
        ("uri,uri\n", "has more than one of it"),
        ('"uri\n/a.jpg\n', "has the columns "),
    ],
)
def test_a_csv_list_without_the_column(refused, text, words):
    message = refused("a.csv", text.encode())
    assert words in message
    assert "CANARY" not in message


@pytest.mark.parametrize("cut", [30, 200, -1])
def test_a_compressed_list_that_breaks_off(refused, cut):
    packed = gzip.compress(NOISE.hex().encode())
    words = refused("a.txt.gz", packed[:cut])
    assert "it cannot be read (EOFError: Compressed file ended before" in words
    assert "check that it is whole" in words


def test_a_compressed_list_under_another_name(refused):
    assert "it is compressed with gzip; name it a.txt.gz" in refused("a.txt", gzip.compress(b"/a.jpg\n"))


def test_parquet(refused, tmp_path):
    table = pa.table({"uri": [1, 2], "link": ["/a.jpg", None]})
    pq.write_table(table, tmp_path / "good.parquet")
    data = (tmp_path / "good.parquet").read_bytes()
    check_list(ListFile.at(str(tmp_path / "good.parquet")), "link")
    assert "uri_column 'uri': in a.parquet it is of type int64" in refused("a.parquet", data)
    assert "has the columns uri, link" in refused("a.parquet", data, "url")
    assert "input 'a.parquet': it cannot be read (Arrow" in refused("a.parquet", data[:-10])


@pytest.mark.parametrize("name", ["a.jpg", "a.parquet.gz", "a.json", "a.txt.bz2"])
def test_other_files_are_no_lists(name):
    with pytest.raises(ConfigurationError, match=f"input '{name}': a list ends in .txt.*--images"):
        list_format(name)
