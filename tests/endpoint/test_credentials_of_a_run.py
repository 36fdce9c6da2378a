"""Keys, tokens and headers in whole runs: what cannot work is refused, what may pass is waited for."""

import sys

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.transforms.endpoint import breaker, call, kept_secret

ANSWER = b'{"modelVersion": "2023-10-01", "metadata": {"width": 64, "height": 50}, "tagsResult": {"values": []}}'


@pytest.mark.parametrize("key", ["CANARY“def", "CANARY\ndef", "CANARY\x1f2"])
def test_a_key_that_is_no_header_is_refused(emulator, run, pictures, monkeypatch, key):
    monkeypatch.setenv("VISION_KEY", key)
    refused = run("--images", pictures(1)[0])
    assert refused.code == 2
    assert "the key in the environment variable VISION_KEY: it travels in an HTTP header" in refused.err
    assert "CANARY" not in refused.err
    assert not refused.output.exists()


def test_a_blank_key_is_none(emulator, run, pictures, monkeypatch):
    monkeypatch.setenv("VISION_KEY", " \n")
    assert "no key" in run("--images", pictures(1)[0]).err


def test_a_key_goes_to_no_issuer_in_the_clear(emulator, run, pictures):
    refused = run("--images", pictures(1)[0], "--auth", "token", "--token_issuer", "http://issuer.example")
    assert refused.code == 2
    assert "token issuer" in refused.err
    assert "plain http" in refused.err


def test_entra_without_azure_identity_is_refused(emulator, run, pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    refused = run("--images", pictures(1)[0], "--auth", "entra")
    assert refused.code == 2
    assert "pip install 'image-analysis-beam[entra]'" in refused.err


class TestIssuedTokens:
    @pytest.fixture
    def run_with_tokens(self, run, pictures, scripted, monkeypatch):
        """A run over 12 pictures against an endpoint that takes the token `good`; `scripted` issues tokens."""
        monkeypatch.setenv("VISION_KEY", "k")
        with Emulator(key="k", tokens=("good",)) as endpoint:
            monkeypatch.setenv("VISION_ENDPOINT", endpoint.url)
            folder = pictures(12)[0].parent
            yield lambda *flags: run(
                "--images", folder / "*.png", "--auth", "token", "--token_issuer", scripted.url, *flags
            )

    @pytest.mark.parametrize("first", [(503, {}, b""), (429, {"Retry-After": "1"}, b"")])
    def test_an_issuer_that_was_away_for_a_moment(self, run_with_tokens, scripted, first):
        scripted.answers = [first, (200, {}, b"good")]
        finished = run_with_tokens()
        assert finished.code == 0
        assert finished.manifest["conservation"]["analyzed"] == 12
        assert len(scripted.paths) == 2

    def test_a_token_that_has_expired_is_renewed_once_for_all(self, run_with_tokens, scripted):
        scripted.answers = [(200, {}, b"old"), (200, {}, b"good")]
        finished = run_with_tokens()
        assert finished.code == 0
        assert finished.manifest["conservation"]["analyzed"] == 12
        assert len(scripted.paths) == 2

    def test_an_outage_of_the_issuer_after_the_last_new_image(self, run_with_tokens, scripted, monkeypatch):
        """Every image was refused for its token, none has failed: none gives up with those that have."""
        monkeypatch.setattr(breaker, "TAIL", 0.1)
        monkeypatch.setattr(breaker, "FIRST_COOL_DOWN", 0.05)
        monkeypatch.setattr(call, "FIRST_BACKOFF", 0.02)
        monkeypatch.setattr(kept_secret, "FAILURE_SECONDS", 0.01)
        scripted.answers = [(200, {}, b"old"), *[(503, {}, b"")] * 6, (200, {}, b"good")]
        finished = run_with_tokens("--max_calls", "1")
        assert finished.manifest["conservation"]["analyzed"] == 1
        assert finished.rows("images", "attempts") == [(2,)]

    def test_an_issuer_that_stays_away_is_an_outage(self, run_with_tokens, scripted):
        scripted.answers = [(503, {}, b"")]
        finished = run_with_tokens("--outage_patience", "1.2")
        assert finished.code == 3
        assert finished.manifest["deferred"] == {"outage": 12}
        assert "gave no token: HTTP 503" in finished.rows("deferred", "detail")[0][0]
        assert len(scripted.paths) <= 4

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ((401, {}, b""), "HTTP 401"),
            ((200, {}, b"<html>sign in</html>"), "does a proxy stand in between?"),
            ((503, {"Retry-After": "86400"}, b""), "HTTP 503, for 86400 s"),
        ],
    )
    def test_an_issuer_that_will_give_none_ends_the_run(self, run_with_tokens, scripted, answer, words):
        scripted.answers = [answer]
        finished = run_with_tokens()
        assert finished.code == 3
        assert finished.manifest["deferred"] == {"no_credential": 12}
        assert words in finished.rows("deferred", "detail")[0][0]
        assert len(scripted.paths) == 1


def test_headers_that_nobody_thought_of(run, listed, scripted, monkeypatch):
    """They are no exception in a pool's thread: they say nothing."""
    monkeypatch.setenv("VISION_KEY", "k")
    odd = {"CSP-Billing-Usage": "Transaction=\xb2", "apim-request-id": "a\x1fb", "x-ms-region": "\xff" * 60_000}
    scripted.answers = [
        (429, {"Retry-After": "1\x1f"}, b""),
        (200, odd | {"request-id": "second"}, ANSWER),
        (400, odd, b'{"error": {"code": "InvalidRequest", "innererror": {"code": "InvalidImageFormat"}}}'),
    ]
    uris = [f"https://images.example/{number}.jpg" for number in range(2)]
    finished = run("--input", listed(uris), "--endpoint", scripted.url, "--max_in_flight", "1")
    assert finished.code == 0
    assert finished.rows("images", "request_id, region, billed_units") == [("second", None, None)]
    assert finished.rows("dead_letters", "request_id, region, billed_units") == [(None, None, None)]
