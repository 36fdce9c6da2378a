"""`--fit`: what is sent is small, and what stands in the tables is of the image itself."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from PIL import ExifTags, Image, ImageDraw

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.schemas import TABLES
from stand_ins.rectangles import COLOURS, TURNS, boxes_of, service

FORMATS = ("jpg", "png", "webp", "tiff", "avif")
SIZE, FIT = (1501, 1100), 512
PREVIEW = ("--api_version", "2023-02-01-preview")


class Fitted(NamedTuple):
    """A run, one that flattened its answers again, and whether the service turned the pictures."""

    output: Path
    again: Path
    turns: bool

    def rows(self, query: str, again: bool = False) -> list[tuple[Any, ...]]:
        connection = duckdb.connect()
        for name in TABLES:
            files = list((self.again if again else self.output).glob(f"{name}/run=*/*.parquet"))
            if files:
                connection.read_parquet(list(map(str, files)), hive_partitioning=False).create_view(name)
        return connection.execute(query).fetchall()


def original() -> Image.Image:
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((101, 57, 489, 402), fill=(255, 0, 0))
    draw.rectangle((903, 211, 1500, 333), fill=(0, 255, 0))
    draw.rectangle((640, 777, 699, 1099), fill=(0, 0, 255))
    return image


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """`<orientation>.<format>`: rectangles at known places, 8 EXIF orientations, 5 formats."""
    folder = tmp_path_factory.mktemp("photographs")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        for ending in FORMATS:
            how = {"speed": 10} if ending == "avif" else {"quality": 95} if ending in ("jpg", "webp") else {}
            original().save(folder / f"{orientation}.{ending}", exif=exif, **how)
    return folder


@pytest.fixture(scope="module", params=[pytest.param(False, marks=pytest.mark.long), True], ids=["as stored", "turned"])
def fitted(photographs, request, tmp_path_factory) -> Fitted:
    folder = tmp_path_factory.mktemp("fitted")
    output, again = folder / "out", folder / "again"
    asked = "people,objects,denseCaptions,smartCrops,read"
    with pytest.MonkeyPatch.context() as environment, service(request.param) as url:
        environment.setenv("VISION_KEY", "key")
        command = ["run", "--quiet", "--images", str(photographs), "--endpoint", url, "--fit", str(FIT)]
        command += ["--features", asked, "--output", str(output), "--requests_per_second", "1000"]
        assert main(command) == 0
        assert main([*command, *(PREVIEW if request.param else ("--redrive", "none"))]) == 0
    assert main(["reflatten", "--stored", str(output), "--output", str(again)]) == 0
    return Fitted(output, again, request.param)


def orientation_of(uri: str) -> int:
    return int(Path(uri).stem)


def size_of(uri: str, turns: bool) -> tuple[int, int]:
    """The sides of the photograph as the service saw it."""
    return SIZE[::-1] if turns and orientation_of(uri) >= 5 else SIZE


def true_boxes(uri: str, turns: bool) -> dict[str, tuple[int, ...]]:
    """Where the rectangles are in the photograph as the service saw it, at its full size."""
    return _true_boxes(orientation_of(uri) if turns else 1)


@lru_cache
def _true_boxes(orientation: int) -> dict[str, tuple[int, ...]]:
    image = original()
    return boxes_of(image.transpose(TURNS[orientation]) if orientation > 1 else image)


def test_every_box_is_within_the_scale_of_the_true_one(fitted):
    within = ceil(SIZE[0] / FIT)
    tables = ("people", "objects", "dense_captions", "smart_crops")
    truth = {uri: true_boxes(uri, fitted.turns) for (uri,) in fitted.rows("SELECT image_uri FROM images")}
    for table in tables:
        rows = fitted.rows(f"SELECT image_uri, ordinal, x, y, w, h FROM {table}")
        assert len(rows) >= 40 * 3
        for uri, ordinal, x, y, w, h in rows:
            left, top, width, height = truth[uri][COLOURS[ordinal]]
            found, true = (x, y, x + w, y + h), (left, top, left + width, top + height)
            assert max(abs(a - b) for a, b in zip(found, true, strict=True)) <= within, (table, uri, found, true)
    for table in ("read_lines", "read_words"):
        for uri, ordinal, polygon in fitted.rows(f"SELECT image_uri, ordinal, polygon FROM {table}"):
            left, top, width, height = truth[uri][COLOURS[ordinal]]
            true = (left, top, left + width, top, left + width, top + height, left, top + height)
            assert max(abs(a - b) for a, b in zip(polygon, true, strict=True)) <= within, (table, uri, polygon, true)


def test_sizes_are_those_of_the_image(fitted):
    for uri, width, height in fitted.rows("SELECT image_uri, width, height FROM images"):
        assert (width, height) == size_of(uri, fitted.turns)
    for uri, width, height in fitted.rows("SELECT image_uri, width, height FROM read_pages WHERE width IS NOT NULL"):
        assert (width, height) == size_of(uri, fitted.turns)


def test_what_was_sent_stands_beside_what_it_was_made_of(fitted):
    columns = "image_uri, fit, sent_width, sent_height, sent_bytes, sent_format, content_bytes, content_sha256"
    for uri, fit, width, height, size, form, whole, digest in fitted.rows(f"SELECT {columns} FROM images"):
        data = Path(uri).read_bytes()
        assert (fit, width, height, form) == (FIT, 512, 375, "JPEG")
        assert (whole, digest) == (len(data), hashlib.sha256(data).hexdigest())
        assert 1000 < size < 512 * 375
    answers = fitted.rows("SELECT image_uri, body, bytes_sent = sent_bytes FROM responses")
    for uri, body, is_whole in answers:
        metadata = json.loads(body)["metadata"]
        on_its_side = fitted.turns and orientation_of(uri) >= 5
        assert (metadata["width"], metadata["height"]) == ((375, 512) if on_its_side else (512, 375))
        assert is_whole


def test_answers_that_are_flattened_again_give_the_same_rows(fitted):
    for name, table in TABLES.items():
        if table.kind == "section" or name == "responses":
            columns = ", ".join(f'"{column}"' for column in table.schema.names if column != "run_id")
            try:
                first = fitted.rows(f"SELECT {columns} FROM {name}")
            except duckdb.CatalogException:
                continue
            assert sorted(map(repr, fitted.rows(f"SELECT {columns} FROM {name}", again=True))) == sorted(
                map(repr, first)
            )
    assert fitted.rows("SELECT count(*) FROM people", again=True)[0][0] >= 120


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Two that any `--fit` leaves as they are, one of 700 pixels, one of a format that only `--fit` sends."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name, size in (("a.png", (64, 60)), ("b.jpg", (100, 100)), ("c.png", (700, 500)), ("d.avif", (200, 100))):
        Image.new("RGB", size, "red").save(folder / name)
    return folder


def test_what_was_sent_untouched_is_never_paid_for_again(emulator, run, mixed):
    first = run("--images", mixed)
    assert first.manifest["dead_letters"] == {"invalid_image": 1}
    planned = json.loads(run("--images", mixed, "--fit", 16000, "--json", command="plan").out)
    assert (planned["to_call"], planned["why"], planned["mistakes"]) == (1, {"redriven": 1}, {})
    size = (mixed / "d.avif").stat().st_size
    assert planned["fit"] == {"bytes": size, "sent": size, "fitted": 1}
    assert run("--images", mixed, "--fit", 16000).manifest["calls"]["attempts"] == 1
    assert run("--images", mixed, "--fit", 64).manifest["skipped"] == {"answered": 4}
    assert run("--images", mixed).manifest["skipped"] == {"answered": 4}
    facts = first.rows("images", "fit, sent_format, width", "image_uri LIKE '%c.png' OR image_uri LIKE '%d.avif'")
    assert sorted(facts, key=repr) == [(16000, "JPEG", 200), (None, "PNG", 700)]


def test_an_answer_to_fewer_pixels_is_none(emulator, run, mixed):
    assert run("--images", mixed, "--fit", 64).manifest["conservation"]["analyzed"] == 4
    larger = run("--images", mixed, "--fit", 600)
    assert (larger.manifest["skipped"], larger.manifest["calls"]["attempts"]) == ({"answered": 1}, 3)
    assert run("--images", mixed).manifest["skipped"] == {"answered": 4}


def test_an_image_that_cannot_be_sent_is_tried_again_where_less_of_it_is_sent(emulator, run, tmp_path):
    broken = tmp_path / "broken.avif"
    Image.new("RGB", (200, 100), "red").save(broken)
    broken.write_bytes(broken.read_bytes()[:-40])
    expected = [(None, 1), (16000, 1), (600, 1), (16000, 0)]
    for side, is_tried in expected:
        finished = run("--images", broken, *(["--fit", side] if side else []))
        assert finished.manifest["conservation"]["dead_letters"] == is_tried, side
        assert finished.manifest["skipped"] == ({} if is_tried else {"known_bad": 1}), side
    assert sorted(finished.rows("dead_letters", "class, attempts, fit"), key=repr) == [
        ("invalid_image", 0, 16000),
        ("invalid_image", 0, 600),
        ("invalid_image", 0, None),
    ]
    assert emulator.stats()["calls"] == 0


def test_a_file_larger_than_the_service_takes(emulator, run, tmp_path):
    large = tmp_path / "large.bmp"
    Image.new("RGB", (3000, 2600), "red").save(large)
    assert large.stat().st_size > 20 * 2**20
    finished = run("--images", large, "--fit", 16000)
    columns = "width, height, sent_format, content_bytes - sent_bytes"
    ((*facts, saved),) = finished.rows("images", columns)
    assert facts == [3000, 2600, "JPEG"]
    assert finished.manifest["fitted"] == {"images": 1, "bytes_saved": saved}
    assert f"fit: 1 image not sent as they are, {saved / 1e6:,.1f} MB less" in finished.out
    fresh = ("--output", tmp_path / "fresh")
    told = json.loads(run("--images", large, "--fit", 300, "--json", *fresh, command="plan").out)["fit"]
    size = large.stat().st_size
    assert told == {"bytes": size, "sent": size // 100, "fitted": 1}
    text = run("--images", large, "--fit", 300, *fresh, command="plan").out
    assert "--fit: 1 local files would not be sent as they are: about 0.2 MB in place of 23.4 MB in all" in text


def test_images_on_the_web_are_fetched_by_the_service_as_they_are(emulator, run, listed, pictures, tmp_path):
    import http.server
    import threading

    picture = pictures(1, width=400)[0]

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(picture.parent))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uris = listed([f"http://127.0.0.1:{server.server_port}/{picture.name}"])
        finished = run("--input", uris, "--fit", 100)
        server.shutdown()
    columns = "width, fit, sent_width, sent_bytes, content_sha256"
    assert finished.rows("images", columns) == [(400, None, None, None, None)]


@pytest.mark.parametrize("side", ["63", "16001", "big"])
def test_a_side_that_cannot_be(run, mixed, side):
    refused = run("--images", mixed, "--fit", side, command="plan")
    assert refused.code == 2
    assert "fit" in refused.err
