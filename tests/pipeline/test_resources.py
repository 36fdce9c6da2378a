"""A file of resources: what it names, and what cannot be."""

import pytest

from image_analysis_beam.pipeline.flags import parse
from image_analysis_beam.pipeline.job import configure
from image_analysis_beam.transforms.endpoint.credentials import EnvironmentKey, SecretManagerKey
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError

SECRET = "projects/p/secrets/key/versions/1"


@pytest.fixture
def configured(tmp_path, monkeypatch, listed):
    """`configured(text, *flags)`: the job that a file of resources and flags make."""
    monkeypatch.delenv("VISION_ENDPOINT", raising=False)
    monkeypatch.setenv("VISION_KEY", "key")
    monkeypatch.setenv("KEY_A", "key of a")

    def configure_with(text, *flags):
        path = tmp_path / "resources.yaml"
        path.write_text(text)
        given = ["--output", str(tmp_path / "out"), "--features", "tags", "--input", str(listed(["a.jpg"]))]
        return configure(parse([*given, "--endpoint", str(path), *flags]))

    return configure_with


def test_each_resource_has_its_rate_its_key_and_its_share(configured, tmp_path):
    job = configured(
        f"""
- {{url: https://a.example/, rate: 20, key_variable: KEY_A}}
- {{url: https://b.example, rate: 10.5, key_secret: {SECRET}, share: {tmp_path}/share}}
- {{url: https://c.example, rate: 9.5}}
""",
        *("--direct_running_mode=multi_processing", "--direct_num_workers=4"),
    )
    a, b, c = job.resources
    assert [each.endpoint for each in job.resources] == ["https://a.example", "https://b.example", "https://c.example"]
    assert (a.requests_per_second, a.process_share, a.share) == (20, 5, None)
    assert (b.requests_per_second, b.share) == (10.5, f"{tmp_path}/share")
    assert (a.credential, b.credential) == (EnvironmentKey("KEY_A"), SecretManagerKey(SECRET))
    assert c.credential == EnvironmentKey("VISION_KEY")
    assert (job.requests_per_second, job.process_share) == (40, 10)


def test_one_rate_that_is_to_be_found_leaves_the_sum_open(configured):
    job = configured("[{url: https://a.example, rate: 20}, {url: https://b.example}]")
    assert job.requests_per_second is None
    assert [each.process_share for each in job.resources] == [20, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["list of resources", "- url: https://"]),
        ("url: https://a.example", ["list of resources"]),
        ("[{rate: 3}]", ["a resource of 'rate'", "has a url"]),
        ("[{url: https://a.example, key: CANARY}]", ["a resource of 'url', 'key'", "key_variable"]),
        ("[https://a.example]", ["a str"]),
        ("[{url: https://a.example, rate: fast}]", ["rate", "'fast'", "as 20"]),
        ("[{url: https://a.example, rate: 0}]", ["rate 0", "above 0"]),
        ("[{url: 7}]", ["url", "it is a text"]),
        ("[{url: https://a.example, key_secret: [CANARY]}]", ["key_secret: it is a text"]),
        ("[{url: a.example}]", ["'a.example'", "no scheme"]),
        ("[{url: https://a.example}, {url: https://a.example}]", ["https://a.example", "named once"]),
        ("[{url: https://a.example, share: /tmp/share}]", ["/tmp/share", "name the rate"]),
        ("[{url: https://a.example, key_variable: KEY_Z}]", ["KEY_Z"]),
        ("[{url: 'https://a.example", ["cannot be read"]),
        ("[{url: https://a.example, key: CANARY0123", ["cannot be read: line 1, column 42 is no YAML"]),
        ("- url: https://a.example\n  key: CANARY0123: x", ["line 2, column 18 is no YAML"]),
        ("[{url: https://a.example, key: !!int CANARY}]", ["cannot be read: ValueError"]),
        ("[" * 5000, ["cannot be read: RecursionError"]),
        (f"[{{url: https://a.example, key_variable: CANARY{'0' * 26}}}]", ["reads like the key itself"]),
        (f"[{{url: https://a.example, key_secret: CANARY{'0' * 78}}}]", ["key secret: it is the resource name"]),
    ],
)
def test_what_cannot_be(configured, text, words):
    with pytest.raises(ConfigurationError) as refused:
        configured(text)
    for word in words:
        assert word in str(refused.value)
    assert "CANARY" not in str(refused.value)


def test_a_file_that_is_not_there_and_a_rate_beside_it(configured, tmp_path):
    with pytest.raises(ConfigurationError, match="a rate of its own"):
        configured("[{url: https://a.example}]", "--requests_per_second=3")
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml.*cannot be read"):
        configured("[{url: https://a.example}]", "--endpoint", str(tmp_path / "nowhere.yaml"))
