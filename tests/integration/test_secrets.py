"""A canary key and canary signatures appear nowhere but in the requests that need them."""

import html
import io
import json
import logging
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

import apache_beam as beam
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.flags import parse
from image_analysis_beam.pipeline.job import build, configure

KEY = "CANARYKEY0123456789"
SIGNATURE = "CANARYSIGNATURE"


@pytest.fixture
def service(monkeypatch):
    """An emulator whose key must not be seen anywhere, to which the environment points."""
    with Emulator(key=KEY) as running:
        monkeypatch.setenv("VISION_ENDPOINT", running.url)
        monkeypatch.setenv("VISION_KEY", KEY)
        yield running


@pytest.fixture
def secretive(service, listed, pictures):
    service.set_faults(
        {"rules": [{"match": {"every": 3}, "fault": "image_format"}, {"match": {"every": 4}, "fault": "reset"}]}
    )
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


def test_no_file_no_log_no_line(service, secretive, run, debug_log):
    for code in (0, 3):
        if code:
            service.set_faults({"rules": [{"match": {}, "fault": "unauthorized"}]})
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


def test_no_refusal_of_a_command_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("VISION_KEY", KEY)
    url = f"https://user:{SIGNATURE}@h.example/uris.txt?sv=1&sig={SIGNATURE}"
    asked = ("--features", "tags", "--endpoint", "https://h.example", "--output", str(tmp_path))
    for line in (("run", "--input", url, *asked), ("run", url), ("sql", url), ("show", "out", url, url), (url,)):
        assert main(list(line)) == 2
        told = capsys.readouterr().err
        assert "h.example/uris.txt" in told
        assert SIGNATURE not in told


def test_no_graph(secretive, tmp_path):
    config = configure(parse(["--input", str(secretive), "--output", str(tmp_path / "o"), "--features", "tags"]))
    pipeline = beam.Pipeline(options=config.options)
    build(pipeline, config, "20260101T000000Z-0000")
    proto = pipeline.to_runner_api().SerializeToString()
    assert b"AnalyzeImages" in proto
    assert KEY.encode() not in proto
    assert KEY not in repr(config)
    assert KEY not in str(config.options.get_all_options())


class Echo(BaseHTTPRequestHandler):
    """A service that quotes what it was sent."""

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Ocp-Apim-Subscription-Key"]
        message = f"The provided image url {sent['url']} is not accessible to {key}."
        body = json.dumps({"error": {"code": "InvalidRequest", "message": message}}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("status", "code"), [(400, 0), (403, 3)])
def test_a_service_that_quotes_url_and_key_gives_nothing_away(run, listed, monkeypatch, status, code):
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
    assert "photos.example/a.jpg?…" in repr(rows)
    seen = [finished.out, finished.err, repr(rows), (finished.output / "report.html").read_text()]
    assert not [text for text in seen if SIGNATURE in text or KEY in text]


def answer(url, **more):
    metadata = {"width": 64, "height": 50}
    return json.dumps({"modelVersion": "v", "metadata": metadata, "tagsResult": {"values": []}, "url": url} | more)


REPLIES = [
    (400, lambda url: json.dumps({"error": {"code": "InvalidRequest", "message": f"{url} is not accessible"}})),
    (400, lambda url: json.dumps({"error": {"code": "InvalidRequest", "message": url}}).replace("/", "\\/")),
    (400, lambda url: f"<p>No picture at {html.escape(url)}, sorry</p>"),
    (400, lambda url: "x" * 150 + quote(url, safe="")),
    (415, lambda url: json.dumps({"code": quote(quote(url)), "message": url.upper().replace("&", "\\u0026")})),
    (200, lambda url: f"<html>{html.escape(quote(url))}"),
    (200, lambda url: json.dumps({"message": unquote(url)})),
    (200, lambda url: answer(url, tagsResult={"values": url})),
    (200, lambda url: answer(url)),
]
URLS = [
    "https://bob:p@{}9@h.example/{}",
    "https://bob:{}p%40%2F@h.example/{}",
    "https://{}:x@h.example/{}",
    "https://h.example/{1}?sv=2024&se=2999-01-01&sr=b&sp=r&sig={0}%2Bab%3D",
    "https://h.example/{1}?w=3&X-Amz-Signature={0}",
    "https://h.example/{1}?access_token=é{0}+x&w=3#top",
    "https://h.example/{1}?src=https%3A%2F%2Fi.example%2Fx%3Fw%3D1%26sig%3D{0}",
    "https://h.example/{1}#access_token={0}",
]
NOT_SENT = [
    "https://bob:p/{}@h.example/{}",
    "https://bob:{}\u2100@h.example/{}",
    "ftp://bob:{}/?#@h.example/{}",
    "s3://KEY:{}/ab@bucket/{}",
    "h.example/{1}?sig={0}",
    "https://h.example/{1}?sv=2024&se=2020-01-01&sig={0}",
]


class Repeat(Echo):
    """A service that quotes in every way it can."""

    def do_POST(self):
        url = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["url"]
        status, body = REPLIES[int(url.partition("picture-")[2][:1])]
        self.send_response(status)
        sent = body(url).encode()
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


def test_whatever_the_secret_and_however_it_is_quoted(run, listed, monkeypatch, debug_log):
    listing = listed(
        [url.format(SIGNATURE, f"{n}-picture-{reply}") for n, url in enumerate(URLS) for reply in range(len(REPLIES))]
        + [url.format(SIGNATURE, n) for n, url in enumerate(NOT_SENT)]
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Repeat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("VISION_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("VISION_KEY", KEY)
        finished = run("--input", listing)
        server.shutdown()
    assert finished.code == 0
    accounts = finished.manifest["conservation"]
    assert accounts["analyzed"] == len(URLS)
    assert accounts["dead_letters"] == len(URLS) * (len(REPLIES) - 1) + len(NOT_SENT)
    seen = {"out": finished.out, "err": finished.err, "log": debug_log.getvalue()}
    for path in finished.output.rglob("*"):
        if path.is_file():
            seen[str(path)] = path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            seen[f"{path}: rows"] = repr(pq.read_table(path).to_pylist())
    assert sum("responses" in place for place in seen) == 2
    leaks = [place for place, text in seen.items() if SIGNATURE.lower() in unquote(unquote(text)).lower()]
    assert not leaks, [re.findall(f".{{80}}{SIGNATURE}.{{20}}", seen[place], re.IGNORECASE)[:3] for place in leaks]
