"""The free question before a run: what stops it, and what does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from image_analysis_beam.pipeline import beforehand
from image_analysis_beam.pipeline.beforehand import check_keys
from image_analysis_beam.transforms.endpoint.credentials import EntraToken, EnvironmentKey, IssuedToken
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.resource import Resource

REQUEST = AnalyzeRequest(features="tags")


@contextmanager
def saying(status: int) -> Iterator[tuple[str, list[str]]]:
    """The URL of something that says one status to all that is asked, and the methods of what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            asked.append(self.command)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


@pytest.fixture(autouse=True)
def key(monkeypatch) -> EnvironmentKey:
    monkeypatch.setenv("VISION_KEY", "key")
    return EnvironmentKey()


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500, 503])
def test_no_other_reply_than_a_401_stops_a_run(status, key):
    with saying(status) as (url, asked):
        check_keys((Resource(url, key),), REQUEST, "FnApiRunner")
    assert asked == ["PUT"]


def test_a_401_stops_it(key):
    with saying(401) as (url, _), pytest.raises(ConfigurationError, match=f"unauthorized: {url}.*check VISION_KEY"):
        check_keys((Resource(url, key),), REQUEST, "FnApiRunner")


def test_neither_does_no_reply(key, monkeypatch):
    monkeypatch.setattr(beforehand, "_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for place in (silent, unused):
            url = f"http://127.0.0.1:{place.getsockname()[1]}"
            check_keys((Resource(url, key),), REQUEST, "FnApiRunner")


def test_of_several_one_that_is_not_refused_is_enough(key):
    with saying(401) as (refusing, _), saying(404) as (other, asked):
        check_keys((Resource(refusing, key), Resource(other, key)), REQUEST, "FnApiRunner")
        assert asked == ["PUT"]
        with pytest.raises(ConfigurationError, match=refusing):
            check_keys((Resource(refusing, key), Resource(f"{refusing}/", key)), REQUEST, "FnApiRunner")


@pytest.mark.parametrize(
    ("credential", "runner"),
    [
        (EnvironmentKey(), "DataflowRunner"),
        (EnvironmentKey(), "FlinkRunner"),
        (EntraToken(), "FnApiRunner"),
        (IssuedToken(EnvironmentKey(), "https://issuer.example"), "FnApiRunner"),
    ],
)
def test_where_the_workers_may_have_another_credential_nothing_is_asked(credential, runner):
    with saying(401) as (url, asked):
        check_keys((Resource(url, credential),), REQUEST, runner)
    assert asked == []
