"""Which image a URL is, through the whole job: tokens, signatures that end, ids that earlier versions gave."""

import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from image_analysis_beam.transforms.endpoint import uri as uris
from image_analysis_beam.transforms.endpoint.admission import Waiter
from image_analysis_beam.transforms.endpoint.call import Caller
from image_analysis_beam.transforms.endpoint.lane import Lanes
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.resource import Resource
from image_analysis_beam.transforms.endpoint.settings import CallSettings
from image_analysis_beam.transforms.endpoint.uri import ImageRef, former_image_id, image_id


@pytest.fixture
def web(pictures):
    """The address of a server that has a picture for every path and query."""
    body = pictures(1)[0].read_bytes()

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def sas(seconds):
    """A shared access signature that ends so many seconds from now."""
    return f"sv=2024-11-04&sr=b&sp=r&se={datetime.fromtimestamp(time.time() + seconds, timezone.utc):%FT%T.%fZ}&sig=s"


def test_tokens_tell_images_apart_and_signatures_do_not(emulator, run, listed, web):
    urls = [f"{web}/x?token=A", f"{web}/x?token=B", f"{web}/x?token=B&{sas(900)}", f"{web}/y", f"{web}/y?{sas(900)}"]
    finished = run("--input", listed(urls))
    assert emulator.stats()["calls"] == 3
    assert finished.manifest["conservation"]["duplicates"] == 2
    shown = dict.fromkeys(urls[:2], f"{web}/x?token=…") | {urls[3]: urls[3]}
    assert set(finished.rows("images", "image_id, image_uri")) == {(image_id(url), shown[url]) for url in shown}


def test_a_url_that_has_expired_is_called_about_when_it_is_listed_afresh(emulator, run, listed, web):
    first = run("--input", listed([f"{web}/x?{sas(-1)}"]))
    assert first.code == 0
    assert emulator.stats()["calls"] == 0
    (row,) = first.rows("dead_letters", "class, retryable, attempts, message")
    assert row[:3] == ("expired_url", True, 0)
    assert "ended at 20" in row[3]
    second = run("--input", listed([f"{web}/x?{sas(-100)}", f"{web}/x?{sas(900)}", f"{web}/x?{sas(-1)}"]))
    assert second.manifest["conservation"]["analyzed"] == 1
    assert emulator.stats()["calls"] == 1


@pytest.fixture
def outcomes(emulator):
    """`outcomes(rate, urls)`: of calls made one after the other, at a rate."""

    def call(rate, *urls):
        settings, resource = CallSettings(max_in_flight=1), Resource(emulator.url, process_share=rate)
        lanes = Lanes([resource], settings)
        caller = Caller(lanes, AnalyzeRequest(features="tags"), [resource.credential], settings, open)
        called = [caller.analyze(ImageRef.of(url), Waiter()).outcome for url in urls]
        lanes.close()
        return called

    return call


def test_a_url_that_expires_while_it_waits_for_its_turn_is_not_sent(emulator, outcomes, web):
    _, late = outcomes(1, f"{web}/x", f"{web}/y?{sas(0.7)}")
    assert (late.fault_class, late.retryable, late.attempts) == ("expired_url", True, 0)
    assert emulator.stats()["calls"] == 1


def test_a_url_that_expires_while_it_is_throttled_is_not_the_images_fault(emulator, outcomes):
    throttled = {"match": {"first": 1}, "fault": {"kind": "throttled", "retry_after": 1.1}}
    emulator.set_faults({"rules": [throttled, {"match": {}, "fault": "url_not_accessible"}]})
    (late,) = outcomes(100, f"http://127.0.0.1:9/x?{sas(1)}")
    assert (late.fault_class, late.retryable, late.attempts) == ("expired_url", True, 2)


@pytest.fixture
def earlier_version(monkeypatch, run):
    """`earlier_version(…)`: a run that gives the ids of the versions before signing schemes were recognised."""

    def run_with_former_ids(*flags):
        with monkeypatch.context() as patch:
            patch.setattr(uris, "image_id", lambda uri: former_image_id(uri) or image_id(uri))
            return run(*flags)

    return run_with_former_ids


def test_an_answer_under_the_former_id_counts_if_one_listed_image_had_it(emulator, earlier_version, run, listed, web):
    urls = [f"{web}/{name}?token=A" for name in "xyz"] + [f"{web}/plain"]
    assert earlier_version("--input", listed(urls)).code == 0
    assert emulator.stats()["calls"] == 4

    flags = ["--input", listed([*urls, f"{web}/z?token=B", f"{web}/plain?auth=A"])]
    planned = run(*flags, command="plan").out
    assert "3 would be called" in planned
    assert "2 of these were answered under the id that an earlier version gave them" in planned
    assert run(*flags).manifest["skipped"] == {"answered": 3}
    assert emulator.stats()["calls"] == 4 + 3
    assert run("--input", listed(urls)).manifest["skipped"] == {"answered": 4}
