"""A canary key and canary signatures appear nowhere but in the requests that need them."""

import io
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apache_beam as beam
import pytest

from image_analysis_beam.pipeline.flags import parse
from image_analysis_beam.pipeline.job import build, configure

KEY = "CANARYKEY0123456789"
SIGNATURE = "CANARYSIGNATURE"


@pytest.fixture
def secretive(emulator, monkeypatch, listed, pictures):
    emulator.set_faults(
        {"rules": [{"match": {"every": 3}, "fault": "image_format"}, {"match": {"every": 4}, "fault": "reset"}]}
    )
    monkeypatch.setenv("VISION_KEY", KEY)
    uris = [f"https://user:{SIGNATURE}@127.0.0.1:9/{n}.jpg?sv=1&sig={SIGNATURE}{n}" for n in range(6)]
    return listed([*uris, *pictures(6), f"ftp://h/{SIGNATURE[:0]}a?sig={SIGNATURE}"])


@pytest.fixture
def debug_log():
    """Everything that is logged at DEBUG, by whomever."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_file_no_log_no_line(emulator, secretive, run, debug_log, monkeypatch):
    with_key = emulator.key
    for key, code in ((with_key, 0), (KEY, 3)):
        monkeypatch.setenv("VISION_KEY", key)
        finished = run("--input", secretive, "--output", secretive.parent / f"out{code}")
        assert finished.code == code
        seen = [finished.out.encode(), finished.err.encode(), debug_log.getvalue().encode()]
        seen += [path.read_bytes() for path in finished.output.rglob("*") if path.is_file()]
        tables = [row for table in ("images", "dead_letters", "deferred", "responses") for row in finished.rows(table)]
        seen.append(repr(tables).encode())
        for place in seen:
            assert KEY.encode() not in place
            assert SIGNATURE.encode() not in place
    assert "POST" in debug_log.getvalue()


def test_no_graph(secretive, monkeypatch, tmp_path):
    monkeypatch.setenv("VISION_KEY", KEY)
    config = configure(parse(["--input", str(secretive), "--output", str(tmp_path / "o"), "--features", "tags"]))
    pipeline = beam.Pipeline(options=config.options)
    build(pipeline, config, "20260101T000000Z-0000", [])
    proto = pipeline.to_runner_api().SerializeToString()
    assert b"AnalyzeImages" in proto
    assert KEY.encode() not in proto
    assert KEY not in repr(config)
    assert KEY not in str(config.options.get_all_options())


class Echo(BaseHTTPRequestHandler):
    """A service that quotes what it was sent."""

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = f"The provided image url {sent['url']} is not accessible."
        body = json.dumps({"error": {"code": "InvalidRequest", "message": message}}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("status", "code"), [(400, 0), (403, 3)])
def test_a_service_that_quotes_the_url_gives_nothing_away(run, listed, monkeypatch, status, code):
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.status = status
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("VISION_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("VISION_KEY", KEY)
        uri = f"https://user:{SIGNATURE}@photos.example/a.jpg?sv=1&sig={SIGNATURE}%3D"
        finished = run("--input", listed([uri, uri.replace("a.jpg", "b.jpg")]))
        server.shutdown()
    assert finished.code == code
    rows = finished.rows("dead_letters") + finished.rows("deferred")
    assert len(rows) == 2
    assert "is not accessible" in repr(rows)
    assert "photos.example/a.jpg?sv=1" in repr(rows)
    seen = [finished.out, finished.err, repr(rows), (finished.output / "report.html").read_text()]
    assert not [text for text in seen if SIGNATURE in text]
