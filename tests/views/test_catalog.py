"""A catalogue of 1 000 rows with 30 kinds of mistakes: one documented query joins every row to its outcome and tags."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.views.database import Folder, opened

DOCUMENT = Path(__file__).parents[2] / "docs" / "queries.md"
ROWS = 1000
URI, IMAGE, UNREADABLE = "invalid_uri", "invalid_image", "unreadable_image"
# What stands in the cell, and what becomes of it.
MISTAKES = {
    "empty": (b"", URI),
    "spaces": (b"   ", URI),
    "not UTF-8": (b"caf\xe9.jpg", URI),
    "a zero": (b"a\x00.jpg", URI),
    "a control character": (b"a\x01.jpg", URI),
    "a tab": (b"a\tb.jpg", URI),
    "a vertical tab": (b"a\x0bb.jpg", URI),
    "a delete": (b"a\x7f.jpg", URI),
    "too long": (b"u" * 9000, URI),
    "a quote that is not closed": (b'"a.jpg', URI),
    "ftp": (b"ftp://h/a.jpg", URI),
    "a scheme of its own": (b"photo://h/a.jpg", URI),
    "data": (b"data:image/png;base64", URI),
    "no host": (b"https:///a.jpg", URI),
    "a port that is none": (b"https://h:x/a.jpg", URI),
    "half an address": (b"https://[::1/a.jpg", URI),
    "no object of gs": (b"gs://bucket", URI),
    "no object of s3": (b"s3://", URI),
    "no blob": (b"azfs://account/container", URI),
    "missing": (b"missing.png", UNREADABLE),
    "missing by its URL": (b"file:///none/missing.png", UNREADABLE),
    "a folder": (b".", UNREADABLE),
    "a pipe": (b"pipe.png", UNREADABLE),
    "a link to nowhere": (b"link.png", UNREADABLE),
    "no file name": (b"mailto:me", UNREADABLE),
    "an empty file": (b"empty.png", IMAGE),
    "a text": (b"text.png", IMAGE),
    "half a picture": (b"half.png", IMAGE),
    "a page": (b"page.jpg", IMAGE),
    "expired": (b"https://h/a.jpg?sv=1&se=2020-01-01T00%3A00%3A00Z&sig=CANARY", "expired_url"),
    "nobody listens": (b"http://127.0.0.1:9/a.jpg", "rejected_image"),
}


def write_catalog(folder: Path, make_picture) -> dict[str, tuple[str, str]]:
    """By sku, the class of the mistake or the picture's name, and the kind of mistake or spelling."""
    for index in range(200):
        make_picture(folder / f"{index:03d}.png", index)
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "page.jpg").write_text("<html>")
    (folder / "half.png").write_bytes((folder / "000.png").read_bytes()[:20])
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to("nowhere")
    spellings = ("{}", "./{}", f"{folder}/{{}}", f"file://{folder}/{{}}", f"{folder}/../{folder.name}/{{}}")
    mistakes, rows, expected = list(MISTAKES.items()), [b"sku,uri,price"], {}
    for number in range(ROWS):
        sku = f"sku-{number}"
        if number % 10 == 3:
            kind, (cell, fault) = mistakes[number // 10 % len(mistakes)]
            expected[sku] = fault, kind
        else:
            picture = f"{number * 7 % 200:03d}.png"
            spelling = spellings[number // 3 % len(spellings)]
            cell, expected[sku] = spelling.format(picture).encode(), (picture, spelling)
        rows.append(b"%s,%s,%d.5" % (sku.encode(), cell, number))
    rows.append(b"sku-short")
    expected["sku-short"] = URI, "the row ends before the URI"
    (folder / "catalog.csv").write_bytes(b"\n".join(rows) + b"\n")
    return expected


@pytest.fixture(scope="module")
def catalog(tmp_path_factory, make_picture):
    """What was expected, the manifest, and the rows that the documented query finds, by sku."""
    folder = tmp_path_factory.mktemp("catalog")
    with pytest.MonkeyPatch.context() as patch, Emulator(key="k") as emulator:
        patch.setenv("VISION_ENDPOINT", emulator.url)
        patch.setenv("VISION_KEY", "k")
        patch.chdir(folder)
        expected = write_catalog(folder, make_picture)
        assert len({kind for fault, kind in expected.values() if not fault.endswith(".png")}) >= 30
        flags = ["--output", "out", "--features", "tags", "--requests_per_second", "2000", "--quiet"]
        assert main(["run", "--input", "catalog.csv", *flags]) == 0
        (query, *_) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        with opened(Folder("out"), query) as connection:
            result = connection.execute(query)
            names = [name for name, *_ in result.description]
            found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    (manifest,) = (json.loads(path.read_text()) for path in (folder / "out" / "runs").glob("*.json"))
    return expected, manifest, found


def test_every_row_is_there_once(catalog):
    expected, manifest, found = catalog
    assert [row["sku"] for row in found] == list(expected)
    assert len(found) == manifest["conservation"]["input"] == ROWS + 1


def test_the_counts_are_those_of_the_manifest(catalog):
    _, manifest, found = catalog
    accounts = Counter("duplicates" if row["is_duplicate"] else row["place"] for row in found)
    told = manifest["conservation"]
    assert accounts == {
        "answered": told["analyzed"],
        "dead_letter": told["dead_letters"],
        "duplicates": told["duplicates"],
    }
    classes = Counter(row["reason"] for row in found if row["place"] == "dead_letter" and not row["is_duplicate"])
    assert classes == manifest["dead_letters"]


def test_a_picture_has_its_tags_under_any_spelling(catalog):
    expected, _, found = catalog
    tags = {}
    for row in found:
        picture, _ = expected[row["sku"]]
        assert (row["place"] == "answered") == picture.endswith(".png")
        if row["place"] == "answered":
            assert row["tags"] == tags.setdefault(picture, row["tags"])
            assert row["given"].endswith(picture)
    assert len(tags) > 150


def test_every_mistake_says_what_it_is(catalog):
    expected, _, found = catalog
    for row in found:
        fault, kind = expected[row["sku"]]
        if not fault.endswith(".png"):
            assert row["reason"] == fault, kind
            assert row["message"]
            assert row["what_to_do"]
            text = MISTAKES.get(kind, (b"",))[0].decode("latin-1").partition("?")[0].strip()[:5]
            assert not text.isprintable() or not text.isascii() or text.strip('"') in row["given"], kind
            assert row["tags"] is None
    assert "CANARY" not in repr(found)
