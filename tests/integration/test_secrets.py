"""A canary key and canary signatures appear nowhere but in the requests that need them."""

import io
import logging

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
