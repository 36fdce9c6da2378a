"""The job from a list with everything in it to tables that another reader opens."""

import functools
import http.server
import os
import socket
import threading
from pathlib import Path

import pytest
from PIL import Image

from image_analysis_beam.schemas import TABLES

ALL_FEATURES = "caption,denseCaptions,tags,objects,people,smartCrops,read"
PHOTOS = sorted(path for path in (Path(__file__).parents[2] / "examples" / "photos").iterdir() if path.suffix != ".md")
WRITTEN = list(TABLES)


@pytest.fixture
def web(tmp_path):
    """A folder served over http on loopback."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


def _size(path):
    with Image.open(path) as image:
        return image.size


def test_the_photographs_reach_every_table(emulator, run):
    finished = run(
        "--images", PHOTOS[0].parent / "*.jpg", "--images", PHOTOS[0].parent / "*.png", features=ALL_FEATURES
    )
    assert finished.code == 0
    assert f"{len(PHOTOS)} images: {len(PHOTOS)} analyzed" in finished.out
    for table in WRITTEN:
        assert finished.rows(table, "count(*)"), table
    sizes = {uri: (width, height) for uri, width, height in finished.rows("images", "image_uri, width, height")}
    assert sizes == {str(path): _size(path) for path in PHOTOS}
    assert finished.manifest["tables"]["images"]["rows"] == len(PHOTOS)
    assert {name: entry["rows"] for name, entry in finished.manifest["tables"].items()} == {
        table: finished.rows(table, "count(*)")[0][0] for table in WRITTEN
    }


def test_every_input_ends_in_one_place(emulator, run, listed, tmp_path, web, closed_port):
    folder, base = web
    good = tmp_path / "good.jpg"
    good.write_bytes(PHOTOS[0].read_bytes())
    unicode_path = tmp_path / "日本 ünï.jpg"
    unicode_path.write_bytes(PHOTOS[1].read_bytes())
    (folder / "served.jpg").write_bytes(PHOTOS[2].read_bytes())
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image")
    Image.new("RGB", (10, 10)).save(tmp_path / "tiny.png")
    (tmp_path / "large.jpg").write_bytes(os.urandom(21 * 1024 * 1024))
    missing = tmp_path / "missing.jpg"
    uris = [good, missing, tmp_path / "empty.jpg", tmp_path / "text.jpg", tmp_path / "tiny.png", tmp_path / "large.jpg"]
    uris += ["ftp://user:CANARY@host/a.jpg", "", good, unicode_path]
    uris += [f"{base}/served.jpg?sv=1&sig=CANARY", f"http://127.0.0.1:{closed_port}/dead.jpg?w=1&sig=CANARY"]

    finished = run("--input", listed(uris))

    assert finished.code == 0
    assert finished.manifest["conservation"] == {
        "input": 11,
        "recovered_extra": 0,
        "analyzed": 3,
        "dead_letters": 7,
        "deferred": 0,
        "skipped": 0,
        "duplicates": 1,
    }
    analyzed = {uri for (uri,) in finished.rows("images", "image_uri")}
    assert analyzed == {str(good), str(unicode_path), f"{base}/served.jpg"}
    dead = {uri: rest for uri, *rest in finished.rows("dead_letters", "image_uri, class, code, message")}
    assert {uri: rest[0] for uri, rest in dead.items()} == {
        str(missing): "unreadable_image",
        str(tmp_path / "empty.jpg"): "invalid_image",
        str(tmp_path / "text.jpg"): "invalid_image",
        str(tmp_path / "tiny.png"): "invalid_image",
        str(tmp_path / "large.jpg"): "invalid_image",
        "ftp://host/a.jpg": "invalid_uri",
        f"http://127.0.0.1:{closed_port}/dead.jpg?w=1&sig=…": "rejected_image",
    }
    assert dead[f"http://127.0.0.1:{closed_port}/dead.jpg?w=1&sig=…"][1] == "InvalidRequest"
    assert "10x10" in dead[str(tmp_path / "tiny.png")][2]
    assert emulator.stats()["calls"] == 4


def test_a_custom_model_fills_its_tables(emulator, run, pictures):
    folder = pictures(3)[0].parent
    finished = run("--images", folder / "*.png", "--model_name", "products", features=None)
    assert finished.code == 0
    assert finished.rows("custom_tags", "count(*)")[0][0] > 0
    assert {name for (name,) in finished.rows("images", "model_name")} == {"products"}
    assert finished.rows("tags", "count(*)") == [(0,)]


def test_a_wrong_key_is_refused_before_the_output_is_touched(emulator, run, pictures, monkeypatch):
    monkeypatch.setenv("VISION_KEY", "wrong-CANARY")
    finished = run("--images", pictures(3)[0].parent / "*.png")
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"image-analysis-beam: unauthorized: {emulator.url} says: Access denied due to ")
    assert "check VISION_KEY" in finished.err
    assert "CANARY" not in finished.err
    assert not finished.output.exists()
    stats = emulator.stats()
    assert (stats["calls"], stats["other_methods"]) == (0, 1)


@pytest.mark.long
def test_two_processes_give_the_same_tables(emulator, run, pictures, tmp_path):
    folder = pictures(60)[0].parent
    (folder / "broken.png").write_text("no image")
    one = run("--images", folder / "*.png", "--output", tmp_path / "one", features=ALL_FEATURES)
    two = run(
        *("--images", folder / "*.png", "--output", tmp_path / "two"),
        *("--direct_running_mode", "multi_processing", "--direct_num_workers", "2"),
        features=ALL_FEATURES,
    )
    assert (one.code, two.code) == (0, 0)
    for table in WRITTEN:
        skipped = {"run_id", "request_id", "latency_ms", "analyzed_at", "first_attempt_at", "last_attempt_at"}
        columns = ", ".join(f'"{name}"' for name in TABLES[table].schema.names if name not in skipped)
        assert sorted(map(repr, one.rows(table, columns))) == sorted(map(repr, two.rows(table, columns))), table
