"""Every refusal that the contract documents, its envelope and its header set; and what is tolerated."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from image_analysis_beam.emulator import Emulator

from .conftest import ALL_FEATURES, PATH, Caller, encode

PREVIEW = "2023-02-01-preview"
EITHER = "Either 'features' or 'model-name' needs to be specified in the query parameter."

QUERY_REFUSALS = [
    ({"features": ""}, 400, "InvalidRequest", None, EITHER),
    ({"model-name": "fruit"}, 400, "InvalidRequest", None, EITHER),  # GA ignores model-name
    ({"features": "denseCaption"}, 400, "InvalidRequest", "NotSupportedVisualFeature", "Analyze query is invalid."),
    ({"features": "tags,description"}, 400, "InvalidRequest", "NotSupportedVisualFeature", None),
    ({"features": "tags,"}, 400, "InvalidRequest", "NotSupportedVisualFeature", None),
    ({"features": "adult"}, 400, "OperationBlocked", None, None),
    ({"features": "caption", "language": "ja"}, 400, "InvalidRequest", "NotSupportedLanguage", None),
    ({"features": "tags", "language": "tlh"}, 400, "InvalidRequest", "NotSupportedLanguage", None),
    ({"features": "smartCrops", "smartcrops-aspect-ratios": "0.74"}, 400, "InvalidRequest", "BadArgument", None),
    ({"features": "smartCrops", "smartcrops-aspect-ratios": "0.9,1.81"}, 400, "InvalidRequest", "BadArgument", None),
    ({"features": "smartCrops", "smartcrops-aspect-ratios": "nan"}, 400, "InvalidRequest", "BadArgument", None),
    ({"features": "smartCrops", "smartcrops-aspect-ratios": "wide"}, 400, "InvalidRequest", "BadArgument", None),
    ({"features": "caption", "gender-neutral-caption": "maybe"}, 400, "InvalidRequest", "BadArgument", None),
    ({"features": "tags", "model-version": "newest"}, 400, "InvalidRequest", "BadArgument", None),
    ({"features": "tags", "api-version": ""}, 400, "ApiVersionUnspecified", None, None),
    ({"features": "tags", "api-version": "2023-02-01"}, 400, "UnsupportedApiVersion", None, None),
    ({"features": "tags", "api-version": "2022-10-12-preview"}, 410, "410", None, None),
    ({"api-version": PREVIEW}, 400, "InvalidRequest", None, EITHER),
    ({"api-version": PREVIEW, "model-name": "unheard-of"}, 404, "404", None, "Resource not found"),
    ({"api-version": PREVIEW, "model-name": "fruit", "features": "tags"}, 400, "InvalidRequest", "BadArgument", None),
]


@pytest.mark.parametrize(("query", "status", "code", "inner", "message"), QUERY_REFUSALS)
def test_refused_query(caller: Caller, picture: bytes, query, status, code, inner, message):
    response = caller.post(picture, **query)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error.get("innererror", {}).get("code") == inner
    if message:
        assert error["message"] == message


TOLERATED = [
    {"features": "Caption,DENSECAPTIONS,sMaRtCrOpS", "smartCrops-aspect-ratios": "0.9,1.33"},
    {"Features": "tags"},
    {"features": "tags,Tags,tags"},
    {"features": "tags", "readSlim": "true", "readLanguageDetection": "false"},
    {"features": "tags", "smartcrops-aspect-ratios": "99"},  # not asked for smart crops
    {"features": "tags", "model-version": "latest", "language": "zh-Hans"},
    {"features": "tags", "model-name": "fruit"},
    {"features": "caption", "gender-neutral-caption": "True"},
    {"features": "smartCrops", "smartcrops-aspect-ratios": "0.75,1.8"},
]


@pytest.mark.parametrize("query", TOLERATED)
def test_tolerated_query(caller: Caller, picture: bytes, query):
    assert caller.post(picture, **query).status_code == 200


def test_commas_may_be_encoded_or_raw(caller: Caller, picture: bytes):
    for comma in (",", "%2C"):
        url = f"{caller.emulator.url}{PATH}?api-version=2024-02-01&features=caption{comma}tags"
        headers = {"Ocp-Apim-Subscription-Key": caller.emulator.key, "Content-Type": "image/jpeg"}
        reply = caller.session.post(url, data=picture, headers=headers).json()
        assert {"captionResult", "tagsResult"} < set(reply)


@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/jpeg", "IMAGE/PNG", "image/x-anything"])
def test_content_types_of_bytes(caller: Caller, picture: bytes, content_type):
    assert caller.post(picture, content_type, features="tags").status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml", "video/mp4", "image/"])
def test_other_content_types_are_refused(caller: Caller, picture: bytes, content_type):
    response = caller.post(picture, content_type, features="tags")
    expected = f"The provided image content type {content_type or ''} is not supported"
    assert response.status_code == 400
    assert response.json()["error"]["message"] == expected


def test_multipart_takes_the_first_part(caller: Caller, picture: bytes):
    def post(files):
        headers = {"Ocp-Apim-Subscription-Key": caller.emulator.key}
        url = caller.emulator.url + PATH
        query = {"api-version": "2024-02-01", "features": "tags"}
        return caller.session.post(url, params=query, files=files, headers=headers)

    two = [("whatever", ("a.jpg", picture, "image/jpeg")), ("second", ("b.jpg", b"not a picture", "image/jpeg"))]
    assert post(two).json() == caller.analyze(picture).json()
    assert post(two[::-1]).status_code == 400


def test_multipart_without_a_part(caller: Caller):
    response = caller.post(b"--b--\r\n", "multipart/form-data; boundary=b", features="tags")
    assert response.status_code == 400


def test_sizes_in_bytes(caller: Caller, picture: bytes):
    limit = 20 * 2**20
    message = "The image size is not allowed to be zero or larger than 20971520 bytes"
    assert caller.analyze(picture.ljust(limit, b"\0")).status_code == 200  # trailing bytes after the JPEG's end
    for body in (b"", picture.ljust(limit + 1, b"\0")):
        response = caller.analyze(body)
        assert (response.status_code, response.json()["error"]["message"]) == (400, message)


@pytest.mark.parametrize(
    ("size", "status"),
    [((50, 50), 200), ((49, 60), 400), ((60, 49), 400), ((16000, 50), 200), ((16001, 50), 400)],
)
def test_sides(caller: Caller, size, status):
    response = caller.analyze(encode(Image.new("L", size, 90), "PNG"), ALL_FEATURES)
    assert response.status_code == status
    if status == 400:
        message = "The image dimension is not allowed to be smaller than 50 and larger than 16000."
        assert response.json()["error"]["message"] == message


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "MPO"])
def test_formats(caller: Caller, format):
    response = caller.analyze(encode(Image.new("RGB", (70, 60), (10, 200, 30)), format))
    assert response.json()["metadata"] == {"width": 70, "height": 60}


def test_ico(caller: Caller):
    icon = encode(Image.new("RGB", (64, 64), "red"), "ICO", sizes=[(64, 64)])
    assert caller.analyze(icon).json()["metadata"] == {"width": 64, "height": 64}


def _png(width: int, height: int, body: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


HOSTILE = {
    "text": b"hello",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'/>",
    "pdf": b"%PDF-1.7\n",
    "tga or other unlisted": encode(Image.new("RGB", (60, 60)), "PPM"),
    "jpeg magic only": b"\xff\xd8\xff\xe0",
    "truncated jpeg": encode(Image.effect_noise((200, 200), 50), "JPEG")[:900],
    "truncated png": encode(Image.effect_noise((200, 200), 50), "PNG")[:900],
    "truncated gif": encode(Image.effect_noise((200, 200), 50), "GIF")[:900],
    "png header without pixels": _png(100, 100, b""),
    "png bomb": _png(16_000, 16_000, b"\0" * 10_000),
    "broken tiff": b"II*\0\xff\xff\xff\x7f",
    "gif bomb": b"GIF89a" + struct.pack("<HH", 16_000, 16_000) + b"\0\0\0;",
    "riff": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    "ico pointing nowhere": b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0\xff\xff\xff\x0f\x16\0\0\0",
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of corrupt metadata
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pictures_are_refused(caller: Caller, name):
    response = caller.analyze(HOSTILE[name], ALL_FEATURES)
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["innererror"]["code"] == "InvalidImageFormat"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_emulator_survives_a_flipped_byte_anywhere(caller: Caller):
    good = bytearray(encode(Image.effect_noise((64, 64), 80), "PNG"))
    for position in range(0, len(good), 97):
        bad = bytearray(good)
        bad[position] ^= 0xFF
        assert caller.analyze(bytes(bad)).status_code in {200, 400}


def test_service_refusals_have_the_recorded_headers(caller: Caller):
    response = caller.analyze(b"no picture")
    assert set(response.headers) == {
        "Content-Type", "Content-Length", "Date", "apim-request-id", "request-id", "api-supported-versions",
        "CSP-Billing-Usage", "x-ms-error-code", "x-ms-region", "x-envoy-upstream-service-time",
        "Strict-Transport-Security", "X-Content-Type-Options",
    }  # fmt: skip
    assert response.headers["x-ms-error-code"] == "InvalidRequest"
    assert response.headers["apim-request-id"] == response.headers["request-id"]
    assert response.headers["CSP-Billing-Usage"] == "CognitiveServices.ComputerVision.Transaction=1"
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


def test_answers_have_the_recorded_headers(caller: Caller, picture: bytes):
    headers = caller.analyze(picture).headers
    assert set(headers) == {
        "Content-Type", "Content-Length", "Date", "apim-request-id", "request-id", "api-supported-versions",
        "CSP-Billing-Usage", "x-ms-region", "x-envoy-upstream-service-time", "ms-vision-response-time-input-received",
        "ms-vision-response-time-input-processed", "Strict-Transport-Security", "X-Content-Type-Options",
    }  # fmt: skip
    parts = [int(headers[f"ms-vision-response-time-input-{part}"]) for part in ("received", "processed")]
    assert sum(parts) == int(headers["x-envoy-upstream-service-time"])


def test_gateway_refusals_have_the_recorded_headers_and_length(caller: Caller, picture: bytes):
    response = caller.post(picture, key="wrong", features="tags")
    assert (response.status_code, response.reason) == (401, "PermissionDenied")
    assert set(response.headers) == {"Content-Type", "Content-Length", "Date", "apim-request-id"}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Length"] == "224"
    assert response.json()["error"]["code"] == "401"


def test_the_gateway_checks_the_key_before_anything_else(caller: Caller):
    assert caller.post(b"", None, key="wrong", api_version="x").status_code == 401


def test_wrong_path_and_method(caller: Caller, picture: bytes):
    headers = {"Ocp-Apim-Subscription-Key": caller.emulator.key}
    query = {"api-version": "2024-02-01", "features": "tags"}
    for path in ("/", "/computervision//imageanalysis:analyze", "/vision/v3.2/analyze"):
        response = caller.session.post(caller.emulator.url + path, params=query, data=picture, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "404")
    assert caller.emulator.stats()["calls"] == 3


def test_another_method_is_turned_away_at_the_gateway_and_is_no_call(caller: Caller, picture: bytes):
    outage = {"after_calls": 0, "calls": 9, "kind": "reset"}
    caller.emulator.set_faults({"limits": [{"calls": 1, "seconds": 60}], "outage": outage})
    for key, status in ((caller.emulator.key, 404), ("wrong", 401)):
        for method in ("GET", "PUT", "DELETE"):
            headers = {"Ocp-Apim-Subscription-Key": key}
            reply = caller.session.request(method, caller.emulator.url + PATH, data=picture, headers=headers)
            assert (reply.status_code, reply.json()["error"]["code"]) == (status, str(status))
    stats = caller.emulator.stats()
    assert (stats["other_methods"], stats["calls"], stats["per_second"], stats["outage_arrivals"]) == (6, 0, {}, 0)


def test_captions_exist_in_gpu_regions_only(picture: bytes):
    with Emulator(region="Japan East") as emulator:
        caller = Caller(emulator)
        refused = caller.analyze(picture, "tags,denseCaptions")
        assert refused.json()["error"]["message"] == "The feature 'DenseCaptions' is not supported in this region"
        answered = caller.analyze(picture, "tags,people")
        assert answered.headers["x-ms-region"] == "Japan East"
        caller.session.close()


def test_retired_previews(caller: Caller, picture: bytes):
    assert caller.analyze(picture, api_version=PREVIEW).status_code == 200
    caller.emulator.set_faults({"retired": True})
    assert caller.analyze(picture, api_version=PREVIEW).status_code == 410
    assert caller.analyze(picture).status_code == 200


def test_custom_models_have_a_byte_limit_and_fewer_formats(caller: Caller, picture: bytes):
    large = caller.post(picture.ljust(6 * 2**20 + 1, b"\0"), api_version=PREVIEW, model_name="fruit")
    assert "6291456" in large.json()["error"]["message"]
    webp = caller.post(encode(Image.new("RGB", (60, 60)), "WEBP"), api_version=PREVIEW, model_name="fruit")
    assert webp.json()["error"]["innererror"]["code"] == "InvalidImageFormat"


class TestBearerTokens:
    def test_fixed_token(self, caller: Caller, picture: bytes):
        assert self._with_token(caller, picture, "fixed-token").status_code == 200
        assert self._with_token(caller, picture, "other").status_code == 401

    def test_issued_token(self, caller: Caller, picture: bytes):
        token = self._issue(caller, caller.emulator.key)
        assert token.text.count(".") == 2
        assert self._with_token(caller, picture, token.text).status_code == 200

    def test_no_token_without_the_key(self, caller: Caller):
        assert self._issue(caller, "wrong").status_code == 401

    def test_expired_token(self, picture: bytes):
        with Emulator(token_seconds=0) as emulator:
            caller = Caller(emulator)
            token = self._issue(caller, emulator.key)
            assert self._with_token(caller, picture, token.text).status_code == 401
            caller.session.close()

    def _issue(self, caller: Caller, key: str):
        headers = {"Ocp-Apim-Subscription-Key": key}
        return caller.session.post(caller.emulator.url + "/sts/v1.0/issueToken", headers=headers)

    def _with_token(self, caller: Caller, picture: bytes, token: str):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
        query = {"api-version": "2024-02-01", "features": "tags"}
        return caller.session.post(caller.emulator.url + PATH, params=query, data=picture, headers=headers)
