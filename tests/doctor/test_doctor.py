"""`doctor`: a right set-up is green and calls nothing; where one thing is wrong, it names that, with its fix."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.doctor.calls import call_each
from image_analysis_beam.pipeline.doctor.service import _static
from image_analysis_beam.pipeline.troubleshooting import entries
from image_analysis_beam.transforms.endpoint.credentials import Credential
from image_analysis_beam.transforms.endpoint.kept_secret import CredentialError
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.resource import Resource
from image_analysis_beam.transforms.endpoint.settings import CallSettings
from image_analysis_beam.transforms.ledger.start import start_run
from stand_ins.other_owner import other_process

KEY = "emulator-key"


@pytest.fixture
def places(tmp_path: Path, pictures, listed) -> dict[str, str]:
    pictures(3)
    (tmp_path / "folder").mkdir()
    lost, url = tmp_path / "lost.png", "https://example.com/a.png"
    first = [url, "ftp://a", "\0", tmp_path / "pictures" / "64-00000.png"]
    (tmp_path / "file").write_text("no folder")
    return {
        "out": str(tmp_path / "out"),
        "images": str(tmp_path / "pictures"),
        "list": str(listed([*first, *[url] * 1000, lost])),
        "lost": str(listed([lost], "lost.txt")),
        "file": str(tmp_path / "file"),
    }


@pytest.fixture
def doctor(capsys):
    """`doctor(line)`: code and findings of the command."""

    def examine(line: str) -> tuple[int, list[dict]]:
        capsys.readouterr()
        code = main(["doctor", *line.split(), "--json"])
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] == (code == 0)
        return code, told["checks"]

    return examine


GREEN = "--input {list} --images {images} --output {out} --features caption,tags --requests_per_second 20"


def test_a_right_one_is_green_and_nothing_is_called(emulator, places, doctor, tmp_path):
    code, checks = doctor(GREEN.format(**places))
    assert [check for check in checks if not check["is_good"]] == []
    assert code == 0
    assert {"request", "input", "images", "output", "owner", "endpoint", "connection", "key", "clock"} <= {
        check["check"] for check in checks
    }
    stats = emulator.stats()
    assert (stats["billed"], stats["asked"], stats["distinct_images"]) == (0, {}, 0)
    assert (stats["calls"], stats["other_methods"]) == (0, 1)
    assert not Path(places["out"]).exists()


def test_a_column_is_of_the_lists_that_have_columns(emulator, places, doctor, tmp_path):
    (tmp_path / "uris.csv").write_text("url\nhttps://example.com/a.png\n")
    code, checks = doctor(f"{GREEN} --input {tmp_path}/uris.c* --uri_column url".format(**places))
    assert [check for check in checks if not check["is_good"]] == []
    assert code == 0


WRONG = [
    # what is wrong in the flags, the environment or the emulator; the check that says so, words of it, words of the fix
    ({"VISION_KEY": "wrong"}, GREEN, "key", "Access denied", "check VISION_KEY", {}),
    ({"VISION_KEY": ""}, GREEN, "credential", "no key", "export VISION_KEY", {}),
    ({"VISION_ENDPOINT": ""}, GREEN, "endpoint", "no endpoint", "NAME.cognitiveservices", {}),
    ({"VISION_ENDPOINT": "http://127.0.0.1:{port}"}, GREEN, "connection", "connection_refused", "check the host", {}),
    ({"VISION_ENDPOINT": "https://nobody.invalid"}, GREEN, "connection", "unknown_host", "check the spelling", {}),
    ({"VISION_ENDPOINT": "{tls}"}, GREEN, "connection", "untrusted_certificate", "REQUESTS_CA_BUNDLE", {}),
    ({}, f"{GREEN} --call", "call caption", "not supported in this region", "correct the features",
     {"region": "Sweden Central"}),
    ({}, GREEN.replace("{list}", "{lost}"), "input", "lost.png' cannot be read", "check path and rights", {}),
    ({}, f"{GREEN} --uri_column url", "uri_column", "no list of the input has columns", "leave it out", {}),
    ({}, GREEN.replace("{images}", "{images}/*.jpg"), "images", "matches no file", "check the path", {}),
    ({}, GREEN.replace("{out}", "{file}/below"), "output", "cannot be used (Not a directory: ", "your rights", {}),
    ({}, GREEN.replace("{out}", "{owned}"), "owner", "owns it and is alive", "--take_over", {}),
    ({}, GREEN.replace("caption,tags", "colour"), "request", "feature 'colour'", "correct or drop it", {}),
    ({}, f"{GREEN} --max_in_flight 0", "numbers", "max_in_flight 0", "", {}),
    ({}, f"{GREEN} --runner FlinkRuner", "runner", "runner 'FlinkRuner'", "did you mean FlinkRunner?", {}),
    ({"HTTP_PROXY": "http://127.0.0.1:{port}", "VISION_ENDPOINT": "http://vision.example"},
     f"{GREEN} --allow_insecure_endpoint", "connection", "no_proxy", "check HTTPS_PROXY", {}),
    ({"VISION_ENDPOINT": "{other}"}, GREEN, "connection", "unknown_endpoint", "check the host", {}),
]  # fmt: skip


@contextmanager
def answering(date: str = "", body: bytes = b"<h1>Not Found</h1>") -> Iterator[str]:
    """Something that says 404 to whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response_only(404)
            for name, value in (("Date", date), ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(("environment", "line", "check", "said", "fix", "options"), WRONG)
def test_one_thing_wrong_is_named_with_its_fix(
    environment, line, check, said, fix, options, places, doctor, monkeypatch, tmp_path
):
    with (
        socket.socket() as unused,
        Emulator(key=KEY, **options) as emulator,
        Emulator(key=KEY, tls=True) as secure,
        answering() as other,
    ):
        unused.bind(("127.0.0.1", 0))
        known = (
            places
            | {"other": other}
            | {"port": str(unused.getsockname()[1]), "tls": secure.url, "owned": str(tmp_path / "owned")}
        )
        if "{owned}" in line:
            start_run(known["owned"], owner=other_process())
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"VISION_ENDPOINT": emulator.url, "VISION_KEY": KEY} | environment).items():
            monkeypatch.setenv(name, value.format(**known))
        code, checks = doctor(line.format(**known))
        assert emulator.stats()["billed"] == line.count("--call") * 2  # a refusal by the service is metered
    (red,) = [found for found in checks if not found["is_good"]]
    assert code == 2
    assert red["check"] == check
    assert said in red["said"]
    assert fix in red["fix"]
    assert red["entry"] in entries()


def test_a_clock_that_is_wrong(places, doctor, monkeypatch):
    monkeypatch.setenv("VISION_KEY", KEY)
    with answering("Thu, 01 Jan 2026 00:00:00 GMT", b'{"error":{"code":"404","message":"Resource not found"}}') as url:
        code, checks = doctor(f"{GREEN} --endpoint {url}".format(**places))
    (red,) = [found for found in checks if not found["is_good"]]
    assert (code, red["check"]) == (2, "clock")
    assert "ahead of the service's" in red["said"]
    assert "timedatectl" in red["fix"]


class Lost(Credential):
    """A secret that was there a moment ago."""

    def headers(self):
        raise CredentialError("the secret is gone")


def test_a_key_that_is_lost_before_the_calls_is_a_finding():
    (found,) = call_each(Resource("http://127.0.0.1:9", Lost()), AnalyzeRequest("tags"), CallSettings())
    assert (found.is_good, found.said) == (False, "no_credential: the secret is gone")


def test_a_date_that_is_none_says_nothing_of_the_clock(places, doctor, monkeypatch):
    monkeypatch.setenv("VISION_KEY", KEY)
    date = "Thu, 01 Jan 2026 00:00:00 +99999999999999"
    with answering(date, b'{"error":{"code":"404","message":"Resource not found"}}') as url:
        code, checks = doctor(f"{GREEN} --endpoint {url}".format(**places))
    assert (code, [check for check in checks if check["check"] == "clock"]) == (0, [])


def test_dataflow_needs_its_flags_and_buckets(emulator, places, doctor):
    line = "--runner DataflowRunner --key_secret projects/p/secrets/s/versions/1 --project p --region r "
    _, checks = doctor((line + GREEN).format(**places))
    (found,) = [found for found in checks if found["check"] == "dataflow"]
    assert "--temp_location" in found["fix"]
    _, checks = doctor((line + "--temp_location gs://b/t " + GREEN).format(**places))
    (found,) = [found for found in checks if found["check"] == "dataflow"]
    assert "put it into a bucket" in found["fix"]


def test_with_call_each_feature_is_called_once(emulator, places, doctor, capsys):
    code, checks = doctor(f"{GREEN} --call".format(**places))
    calls = {found["check"]: found["said"] for found in checks if found["check"].startswith("call ")}
    assert code == 0
    assert set(calls) == {"call caption", "call tags"}
    assert all(said.endswith(" ms, West US, model 2023-10-01-emulator, billed 1") for said in calls.values())
    assert emulator.stats()["asked"] == {"caption": 1, "tags": 1}


def test_nothing_is_called_while_something_is_red(emulator, places, capsys):
    places["out"] = places["file"]
    assert main(["doctor", *GREEN.format(**places).split(), "--call"]) == 2
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.startswith("RED  output ")]
    assert printed[-1] == "1 of 11 checks is red; no call is made while something is red"
    assert emulator.stats()["billed"] == 0


def test_what_azures_host_names_tell_without_a_question():
    request = AnalyzeRequest(features="caption,tags", api_version="2023-04-01-preview")
    told = list(_static("https://swedencentral.api.cognitive.microsoft.com", request))
    assert [finding.entry for finding in told] == ["retired_version", "rejected_request"]
    assert list(_static("https://westus.api.cognitive.microsoft.com", AnalyzeRequest(features="caption"))) == []
    assert list(_static("https://gateway.example", request)) == []
