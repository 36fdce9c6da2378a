"""Requests by URL: the emulator downloads for itself, within bounds."""

from __future__ import annotations

import json

import pytest

from image_analysis_beam.emulator import Emulator

from .conftest import Caller

MALFORMED = "Image URL is badly formatted or not accessible"
UNREACHABLE = "The provided image url is not accessible."


def by_url(caller: Caller, url: object, **query: str):
    return caller.post(json.dumps({"url": url}), "application/json; charset=utf-8", features="tags", **query)


def test_the_picture_behind_an_url(caller: Caller, web, picture: bytes):
    reply = by_url(caller, web.put("/a.jpg", picture))
    assert reply.json() == caller.analyze(picture).json()
    assert caller.emulator.stats()["distinct_images"] == 2  # the URL, and the bytes


def test_redirects_are_followed_up_to_a_bound(caller: Caller, web, picture: bytes):
    web.put("/end.jpg", picture)
    web.put("/short", b"", 302, Location="/end.jpg")
    web.put("/loop", b"", 302, Location="/loop")
    assert by_url(caller, web.url + "/short").status_code == 200
    assert by_url(caller, web.url + "/loop").json()["error"]["message"] == UNREACHABLE


def test_a_redirect_away_from_http_is_not_followed(caller: Caller, web):
    web.put("/file", b"", 302, Location="file:///etc/hostname")
    assert by_url(caller, web.url + "/file").json()["error"]["message"] == UNREACHABLE


@pytest.mark.parametrize("path", ["/missing.jpg", "/forbidden.jpg"])
def test_not_a_200(caller: Caller, web, picture: bytes, path):
    web.put("/forbidden.jpg", picture, 403)
    response = by_url(caller, web.url + path)
    assert (response.status_code, response.json()["error"]) == (
        400,
        {"code": "InvalidRequest", "message": UNREACHABLE},
    )
    assert response.headers["CSP-Billing-Usage"]
    assert caller.emulator.stats()["billed"] == 1


def test_nobody_listens(caller: Caller):
    assert by_url(caller, "http://127.0.0.1:1/a.jpg").json()["error"]["message"] == UNREACHABLE


def test_too_many_bytes(caller: Caller, web):
    response = by_url(caller, web.put("/huge", bytes(20 * 2**20 + 1)))
    assert "20971520" in response.json()["error"]["message"]


def test_a_page_instead_of_a_picture(caller: Caller, web):
    response = by_url(caller, web.put("/page", b"<html></html>"))
    assert response.json()["error"]["innererror"]["code"] == "InvalidImageFormat"


def test_a_body_that_never_ends(web, picture: bytes):
    promise = web.put("/promise", picture[:100], **{"Content-Length": "1000"})
    with Emulator(fetch_seconds=0.2) as emulator:
        caller = Caller(emulator)
        assert by_url(caller, promise).json()["error"]["message"] == UNREACHABLE
        caller.session.close()


@pytest.mark.parametrize(
    "url", ["", "a.jpg", "ftp://host/a.jpg", "data:image/png;base64,AA", "file:///etc/hostname", 5]
)
def test_no_http_url(caller: Caller, url):
    assert by_url(caller, url).json()["error"]["message"] == MALFORMED


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '"http://h/a"', "{}", '{"uri": "http://h/a"}', "\xff", "[" * 50_000, '{"url": "http://["}']
)
def test_no_json_with_an_url(caller: Caller, body):
    response = caller.post(body.encode("latin-1"), "application/json", features="tags")
    assert (response.status_code, response.json()["error"]["message"]) == (400, MALFORMED)


def test_single_quotes_are_a_matter_of_leniency(caller: Caller, web, picture: bytes):
    body = f"{{'url':'{web.put('/a.jpg', picture)}'}}"
    assert caller.post(body, "application/json", features="tags").status_code == 400
    with Emulator(lenient_json=True) as emulator:
        lenient = Caller(emulator)
        assert lenient.post(body, "application/json", features="tags").status_code == 200
        assert lenient.post("{'url'", "application/json", features="tags").status_code == 400
        lenient.session.close()
