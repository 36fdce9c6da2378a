"""Microsoft's own client against the emulator: what it types must be what was on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import ImageAnalysisResult, VisualFeatures
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from image_analysis_beam.emulator import Emulator

ALL = list(VisualFeatures)


@pytest.fixture
def client(emulator) -> Iterator[ImageAnalysisClient]:
    with ImageAnalysisClient(emulator.url, AzureKeyCredential(emulator.key)) as client:
        yield client


def check_invariants(result: ImageAnalysisResult, ratios: list[float]) -> None:
    """What Microsoft's own tests assert of the live service."""
    width, height = result.metadata.width, result.metadata.height
    assert result.model_version
    assert 0 < result.caption.confidence < 1
    assert result.dense_captions.list[0].text == result.caption.text
    whole = result.dense_captions.list[0].bounding_box
    assert (whole.x, whole.y, whole.width, whole.height) == (0, 0, width, height)
    names = [tag.name for tag in result.tags.list]
    assert len(set(names)) == len(names)
    assert all(len(found.tags) == 1 for found in result.objects.list)
    boxes = {
        "dense": [row.bounding_box for row in result.dense_captions.list],
        "objects": [row.bounding_box for row in result.objects.list],
        "people": [row.bounding_box for row in result.people.list],
        "crops": [row.bounding_box for row in result.smart_crops.list],
    }
    for found in boxes.values():
        assert len({json.dumps(dict(box)) for box in found}) == len(found)
        for box in found:
            assert box.x >= 0
            assert box.y >= 0
            assert box.width > 0
            assert box.height > 0
            assert box.x + box.width <= width
            assert box.y + box.height <= height
    assert all(0 < row.confidence < 1 for row in [*result.tags.list, *result.people.list, *result.dense_captions.list])
    if ratios:
        assert [crop.aspect_ratio for crop in result.smart_crops.list] == ratios
    else:
        assert len(result.smart_crops.list) == 1
        assert 0.5 <= result.smart_crops.list[0].aspect_ratio <= 2.0


def test_all_features_from_bytes(client, picture):
    raw = []
    result = client.analyze(
        picture,
        ALL,
        smart_crops_aspect_ratios=[0.9, 1.33],
        gender_neutral_caption=True,
        language="en",
        raw_response_hook=lambda response: raw.append(response.http_response.json()),
    )
    assert result.as_dict() == raw[0]
    assert (result.metadata.width, result.metadata.height) == (320, 240)
    assert len(result.objects.list) >= 2
    assert result.people.list
    check_invariants(result, [0.9, 1.33])


def test_all_features_from_url(client, web, picture):
    url = web.put("/scene.jpg", picture)
    result = client.analyze_from_url(url, ALL)
    check_invariants(result, [])
    assert result.as_dict() == client.analyze(picture, ALL).as_dict()


def test_sections_not_asked_for_are_absent(client, picture):
    result = client.analyze(picture, [VisualFeatures.TAGS])
    assert set(result.as_dict()) == {"modelVersion", "metadata", "tagsResult"}


def test_wrong_key(emulator, picture):
    with (
        ImageAnalysisClient(emulator.url, AzureKeyCredential("0" * 32)) as client,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        client.analyze(picture, ALL)
    assert caught.value.error.code == "401"
    assert caught.value.reason == "PermissionDenied"


def test_bad_image_raises_with_the_inner_error(client):
    with pytest.raises(HttpResponseError) as caught:
        client.analyze(b"not a picture", ALL)
    assert caught.value.error.code == "InvalidRequest"
    assert caught.value.error.innererror["code"] == "InvalidImageFormat"


def test_path_that_does_not_exist(emulator, picture):
    with (
        ImageAnalysisClient(emulator.url + "/elsewhere", AzureKeyCredential(emulator.key)) as client,
        pytest.raises(ResourceNotFoundError),
    ):
        client.analyze(picture, ALL)


def test_over_tls_chunked_and_packed(picture):
    with Emulator(tls=True, chunked=True, gzip=True) as emulator:
        key = AzureKeyCredential(emulator.key)
        with ImageAnalysisClient(emulator.url, key, connection_verify=emulator.ca_path) as client:
            check_invariants(client.analyze(picture, ALL), [])


def test_unreachable_url(client, web):
    with pytest.raises(HttpResponseError, match="not accessible"):
        client.analyze_from_url(web.url + "/missing.jpg", ALL)
