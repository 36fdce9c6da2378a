"""The table `inputs`: every line of every list, once for each content, with the image it names or the mistake in it."""

import gzip
import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.transforms.endpoint.uri import ImageRef, former_image_id
from image_analysis_beam.transforms.lists.contents import files_digest, input_reference
from image_analysis_beam.transforms.lists.references import NoUri, reference
from stand_ins.report_page import Page

PLACE = "list, position, uri, raw, mistake"


def lists_of(finished):
    return {entry["list"]: (entry["rows"], entry["run_id"]) for entry in finished.manifest["lists"]}


@pytest.fixture
def several(pictures, tmp_path):
    """Lists of every format and a folder, of which each names pictures and has mistakes: flags, and lines by list."""
    first, second, third = map(str, pictures(3))
    (tmp_path / "a.txt").write_text(f"{first}\n\n  ftp://h/a.jpg\n{second}#not-a-fragment-of-a-path\n")
    (tmp_path / "b.csv").write_text(f"sku,uri\n7,{second}\n8,\n9,https://u:p@h:x/?sig=SECRET\n")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(f'{{"uri": "{third}"}}\n{{"uri": 5}}\n'.encode()))
    flags = [part for name in ("a.txt", "b.csv", "c.jsonl.gz") for part in ("--input", tmp_path / name)]
    return [*flags, "--images", tmp_path / "pictures"]


def test_every_line_is_there_with_its_image_or_its_mistake(emulator, run, several, tmp_path):
    finished = run(*several)
    assert finished.code == 0, finished.err
    rows = {
        f"{list_[len(str(tmp_path)) + 1 :]}:{position}": rest
        for list_, position, *rest in finished.rows("inputs", PLACE, "position > 0")
    }
    pictures = tmp_path / "pictures"
    assert rows == {
        "a.txt:1": [f"{pictures}/64-00000.png", None, None],
        "a.txt:3": [
            "ftp://h/a.jpg",
            None,
            "scheme 'ftp' is not supported; use http, https, gs, s3, azfs, file or a local path",
        ],
        "a.txt:4": [f"{pictures}/64-00001.png#not-a-fragment-of-a-path", None, None],
        "b.csv:2": [f"{pictures}/64-00001.png", None, None],
        "b.csv:3": [None, "", "the URI is empty"],
        "b.csv:4": [
            "https://h:x/?sig=…",
            None,
            "the URL is malformed: its host or port cannot be read; in a password, / ? # and @ are percent-encoded",
        ],
        "c.jsonl.gz:1": [f"{pictures}/64-00002.png", None, None],
        "c.jsonl.gz:2": [None, '{"uri": 5}', "'uri' is a number, not a text"],
    }
    assert sorted(finished.rows("inputs", "uri, path", "position = 0")) == [
        (f"{pictures}/64-{number:05d}.png",) * 2 for number in range(3)
    ]
    assert finished.rows("inputs", "count(*)") == [(finished.manifest["conservation"]["input"],)]
    known = {
        image_id for (image_id,) in finished.rows("images", "image_id") + finished.rows("dead_letters", "image_id")
    }
    assert known == {image_id for (image_id,) in finished.rows("inputs", "coalesce(image_id, line_id)")}
    assert b"SECRET" not in b"".join(path.read_bytes() for path in finished.output.rglob("*") if path.is_file())


def test_a_content_is_written_once(emulator, run, several, tmp_path):
    first = run(*several).manifest["run_id"]
    again = run(*several)
    assert again.manifest["tables"]["inputs"] == {"rows": 0, "files": []}
    assert set(lists_of(again).values()) == {(3, first), (2, first)}
    with (tmp_path / "b.csv").open("a") as file:
        file.write(f"10,{tmp_path}/pictures/64-00000.png\n")
    third = run(*several)
    assert lists_of(third)[str(tmp_path / "b.csv")] == (4, third.manifest["run_id"])
    assert lists_of(third)[str(tmp_path / "a.txt")] == (3, first)
    assert third.manifest["tables"]["inputs"]["rows"] == 4
    assert third.manifest["conservation"]["input"] == 12
    assert json.loads(run(*several, "--json", command="plan").out)["input"] == 12


def test_relative_paths_are_other_images_in_another_folder(emulator, run, pictures, listed, tmp_path, monkeypatch):
    pictures(1, "a"), pictures(1, "b", width=65)[0].rename(tmp_path / "b" / "64-00000.png")
    uris = listed(["64-00000.png"])
    for folder in "ab":
        monkeypatch.chdir(tmp_path / folder)
        finished = run("--input", uris)
    paths = [(f"{tmp_path}/{folder}/64-00000.png",) for folder in "ab"]
    assert sorted(finished.rows("inputs", "path")) == paths
    assert len(set(finished.rows("images", "image_id"))) == 2


IMAGES = st.lists(st.from_regex(r"[a-z]{1,3}", fullmatch=True), max_size=6).map(
    lambda names: [ImageRef.of(f"/photos/{name}") for name in names]
)


@given(IMAGES, IMAGES, st.randoms())
def test_the_digest_of_files_is_of_their_names_alone(one, other, chance):
    shuffled = chance.sample(one, len(one))
    assert files_digest("p", one) == files_digest("p", shuffled) != files_digest("q", one)
    are_same = sorted(one) == sorted(other)
    assert (files_digest("p", one) == files_digest("p", other)) == are_same


@given(st.text() | st.text().map(lambda text: f"https://h/{text}?token=A") | st.builds(NoUri, st.text(), st.text()))
def test_a_row_has_an_image_or_a_mistake(found):
    image = reference("a.txt", 3, found)
    row = input_reference(image, "r")
    assert row[:2] == ("a.txt", 3)
    assert (row.image_id is None) == bool(image.fault) == (row.line_id is not None) == (row.raw is not None)
    assert row.image_id or row.mistake
    assert (row.image_id or row.line_id) == image.image_id
    assert row.former_id == (None if image.fault else former_image_id(image.uri))


def test_the_report_shows_the_file_that_was_analyzed(emulator, run, pictures, listed, tmp_path, monkeypatch):
    """Of the same relative path in another folder there is another picture of the same size."""
    (picture,), (other,) = pictures(1, "a"), pictures(1, "b", first=200)
    other.rename(other.with_name(picture.name))
    monkeypatch.chdir(tmp_path / "a")
    output = run("--input", listed([picture.name])).output
    pages = []
    for folder in "ab":
        monkeypatch.chdir(tmp_path / folder)
        assert main(["report", str(output)]) == 0
        pages.append(Page(output).pictures)
    assert len(pages[0]) == 1
    assert pages[0][0]
    assert pages[0] == pages[1]
    for path in output.glob("inputs/*/*.parquet"):
        pq.write_table(TABLES["inputs"].schema.empty_table(), path)
    assert main(["report", str(output)]) == 0
    assert Page(output).images[0]["n"] == "in the working folder of now, its path is that of another file"
