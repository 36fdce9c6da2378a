import pickle

import pytest

from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.endpoint.fingerprint import request_fingerprint
from image_analysis_beam.transforms.endpoint.request import FEATURES, AnalyzeRequest


def test_features_take_any_case_and_the_old_spelling():
    assert AnalyzeRequest(features="CAPTION, denseCaption,tags,tags").features == ("caption", "denseCaptions", "tags")


def test_defaults_of_the_two_kinds():
    assert AnalyzeRequest(features="tags").query() == {"api-version": "2024-02-01", "features": "tags"}
    assert AnalyzeRequest(model_name="m").query() == {"api-version": "2023-02-01-preview", "model-name": "m"}


def test_every_option_reaches_the_query():
    request = AnalyzeRequest(
        features="caption,smartCrops",
        gender_neutral_caption=True,
        smartcrops_aspect_ratios="0.9,1.33",
        model_version="2023-10-01",
        api_version="2023-10-01",
    )
    assert request.query() == {
        "api-version": "2023-10-01",
        "features": "caption,smartCrops",
        "gender-neutral-caption": "true",
        "smartcrops-aspect-ratios": "0.9,1.33",
        "model-version": "2023-10-01",
    }
    assert AnalyzeRequest(features="tags", language="ja").query()["language"] == "ja"


@pytest.mark.parametrize(
    ("options", "value", "fix"),
    [
        ({}, "neither features nor model_name", "set --features"),
        ({"features": "tags", "model_name": "m"}, "'tags' and model_name 'm'", "run once with"),
        ({"features": "tags,colour"}, "feature 'colour'", "correct or drop"),
        ({"features": "smartCrops", "smartcrops_aspect_ratios": "2.0"}, "'2.0'", "0.75,1,1.78"),
        ({"features": "smartCrops", "smartcrops_aspect_ratios": "wide"}, "'wide'", "0.75,1,1.78"),
        ({"features": "smartCrops", "smartcrops_aspect_ratios": "nan"}, "'nan'", "0.75,1,1.78"),
        ({"features": "tags", "smartcrops_aspect_ratios": "1"}, "smartcrops_aspect_ratios", "leave"),
        ({"features": "tags", "gender_neutral_caption": True}, "gender_neutral_caption", "leave"),
        ({"features": "tags", "language": "xx"}, "language 'xx'", "one of these codes"),
        ({"features": "caption", "language": "ja"}, "'ja' with caption", "use 'en'"),
        ({"model_name": "m", "language": "ja"}, "language 'ja'", "leave"),
        ({"model_name": "m", "api_version": "2024-02-01"}, "model_name 'm'", "2023-02-01-preview"),
        ({"features": "tags", "api_version": "2023-02-01"}, "api_version '2023-02-01'", "leave it out"),
        ({"features": "tags", "model_version": "newest"}, "model_version 'newest'", "'latest'"),
    ],
)
def test_refusals_name_value_and_fix(options, value, fix):
    with pytest.raises(ConfigurationError) as error:
        AnalyzeRequest(**options)
    assert value in str(error.value)
    assert fix in str(error.value)
    assert "\n" not in str(error.value)


def test_requests_are_values():
    one = AnalyzeRequest(features="tags,caption")
    assert one == AnalyzeRequest(features=["caption", "tags"]) == pickle.loads(pickle.dumps(one))
    with pytest.raises(AttributeError):
        one.language = "ja"


def test_a_custom_model_takes_smaller_images():
    assert AnalyzeRequest(features="tags").max_image_bytes == 20_971_520
    assert AnalyzeRequest(model_name="m").max_image_bytes == 6 * 1024 * 1024


def test_fingerprint_tells_requests_apart():
    variants = [
        *({"features": feature} for feature in FEATURES),
        {"features": "tags", "language": "ja"},
        {"features": "tags", "api_version": "2023-10-01"},
        {"features": "tags", "model_version": "2023-10-01"},
        {"features": "caption", "gender_neutral_caption": True},
        {"features": "smartCrops", "smartcrops_aspect_ratios": "1,1.5"},
        {"features": "smartCrops", "smartcrops_aspect_ratios": "1.5,1"},
        {"model_name": "a"},
        {"model_name": "b"},
    ]
    prints = [request_fingerprint(AnalyzeRequest(**options)) for options in variants]
    assert len(set(prints)) == len(variants)


def test_fingerprint_is_the_same_everywhere():
    """A changed value here means that every answered image of every user would be paid for again."""
    assert request_fingerprint(AnalyzeRequest(features="caption,tags")) == request_fingerprint(
        AnalyzeRequest(features="Tags,Caption", api_version="2024-02-01")
    )
    assert request_fingerprint(AnalyzeRequest(features="tags")) == "v1-493a2c61b1d301ed"
