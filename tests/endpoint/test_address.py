"""Endpoints that are refused before anything is spent: each mistake has a sentence of its own, with its fix."""

from __future__ import annotations

import pytest

from image_analysis_beam.transforms.endpoint.address import check_endpoint
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError

HOST = ("its host is no name or address", "correct it, as in https://NAME")
PORT = ("a port is a number from 1 to 65535", "correct it, or leave it out")
PARTS = ("scheme, host, port and path only", "drop the rest")
SCHEME = ("it has no scheme", "begin it with https://")
WRONG = {
    **dict.fromkeys(["https://", "https:///x", "https://.", "https://a..b", "https://*.example"], HOST),
    **dict.fromkeys(["https://[::1", "https://[zz]", f"https://{'a' * 64}.example", "https://h\\x"], HOST),
    **dict.fromkeys(["https://h:port", "https://h:65536", "http://127.0.0.1:0", "https://h:-1"], PORT),
    **dict.fromkeys(["https://h?x=1", "https://h#x", "https://u@h"], PARTS),
    **dict.fromkeys(["vision.example", "localhost:8711", "//h", "https:/h", "https//h"], SCHEME),
    "ftp://h": ("its scheme is 'ftp'", "begin it with https://"),
    "": ("it is empty", "the URL of your Azure AI Vision resource"),
    " \n": ("it is empty", "the URL of your Azure AI Vision resource"),
    " https://h": ("no white space", "character 1 of 10 is ' '; remove it"),
    "https://h\n": ("no white space", r"character 10 of 10 is '\\n'; remove it"),
    "https://ho st/path": ("no white space", "character 11 of 18 is ' '; remove it"),
    "https://h/a\x00b": ("no control characters", r"is '\\x00'; remove it"),
    "https://h/computervision/imageanalysis:analyze": ("the path of a call", "drop the path"),
    "http://vision.example": ("over plain http", "use https"),
}


@pytest.mark.parametrize("endpoint", WRONG)
def test_value_rule_and_fix_are_named(endpoint):
    rule, fix = WRONG[endpoint]
    with pytest.raises(ConfigurationError, match=f"^endpoint '.*{rule}.*{fix}") as refused:
        check_endpoint(endpoint)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "endpoint",
    ["https://u:CANARY@h", "https://u:CANARY@h:0", "https://u:CAN/CANARY@h", "u:CANARY@h", "https://h?sig=CANARY"],
)
def test_no_secret_is_named(endpoint):
    with pytest.raises(ConfigurationError) as refused:
        check_endpoint(endpoint)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    "endpoint", ["https://h", "https://h:8443/gateway", "http://[::1]:80", "https://bücher.example"]
)
def test_what_is_right_stays(endpoint):
    assert check_endpoint(endpoint) == endpoint
    assert check_endpoint(f"{endpoint}/") == endpoint
    assert check_endpoint(endpoint.replace("https", "HTTPS")) == endpoint
