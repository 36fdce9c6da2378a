"""Secrets are resolved where they are used, and never travel; whoever gives them may be away or refuse."""

from __future__ import annotations

import pickle
import sys
import threading
import time
from concurrent import futures
from types import SimpleNamespace

import grpc
import pytest
from google.cloud import secretmanager_v1

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.transforms.endpoint import credentials
from image_analysis_beam.transforms.endpoint.credentials import (
    ENTRA_SCOPE,
    KEY_HEADER,
    EntraToken,
    EnvironmentKey,
    IssuedToken,
    SecretManagerKey,
    check_entra_is_installed,
)
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.endpoint.kept_secret import CredentialError, CredentialUnavailable

NAME = "projects/p/secrets/vision/versions/latest"


@pytest.fixture
def secret_manager():
    """A Secret Manager on loopback that speaks the real protocol."""
    told = SimpleNamespace(asked=[], key=b"CANARY-key\n", failure=None)

    def access(request, context):
        told.asked.append(request.name)
        if told.failure:
            context.abort(told.failure, "CANARY")
        payload = secretmanager_v1.SecretPayload(data=told.key)
        return secretmanager_v1.AccessSecretVersionResponse(name=request.name, payload=payload)

    method = grpc.unary_unary_rpc_method_handler(
        access,
        request_deserializer=secretmanager_v1.AccessSecretVersionRequest.deserialize,
        response_serializer=secretmanager_v1.AccessSecretVersionResponse.serialize,
    )
    service = "google.cloud.secretmanager.v1.SecretManagerService"
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"AccessSecretVersion": method})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    transport_class = secretmanager_v1.SecretManagerServiceClient.get_transport_class("grpc")

    def client():
        transport = transport_class(channel=grpc.insecure_channel(f"127.0.0.1:{port}"))
        return secretmanager_v1.SecretManagerServiceClient(transport=transport)

    told.client = client
    yield told
    server.stop(None)


def failure_of(credential) -> CredentialError:
    with pytest.raises(CredentialError) as error:
        credential.headers()
    assert "CANARY" not in str(error.value) + repr(error.value)
    return error.value


class TestEnvironmentKey:
    def test_surrounding_blanks_are_no_part_of_the_key(self, monkeypatch):
        monkeypatch.setenv("VISION_KEY", " CANARY \n")
        assert EnvironmentKey().headers() == {KEY_HEADER: "CANARY"}

    def test_it_may_be_missing_where_the_graph_is_built_but_not_on_the_worker(self, monkeypatch):
        monkeypatch.delenv("VISION_KEY", raising=False)
        assert "environment variable VISION_KEY" in str(failure_of(EnvironmentKey()))

    @pytest.mark.parametrize(
        "key", ["CANARY“x", "CANARY\nx", "CANARY\r\nX: y", "CANARY\x7f", "CANARY\xe9", "\ufeffCANARY", " "]
    )
    def test_one_that_is_no_header_is_refused(self, monkeypatch, key):
        unset = EnvironmentKey("OTHER_KEY")
        monkeypatch.setenv("OTHER_KEY", key)
        with pytest.raises(ConfigurationError, match=r"OTHER_KEY.*HTTP header.*export OTHER_KEY") as error:
            EnvironmentKey("OTHER_KEY")
        assert "CANARY" not in str(error.value)
        assert "OTHER_KEY" in str(failure_of(unset))
        assert not isinstance(failure_of(unset), CredentialUnavailable)

    def test_there_is_no_other_to_try(self, monkeypatch):
        monkeypatch.setenv("VISION_KEY", "CANARY")
        assert not EnvironmentKey().refused(EnvironmentKey().headers())


class TestSecretManagerKey:
    def test_it_is_read_once(self, secret_manager):
        credential = SecretManagerKey(NAME, secret_manager.client)
        assert credential.headers() == credential.headers() == {KEY_HEADER: "CANARY-key"}
        assert secret_manager.asked == [NAME]

    def test_a_rotated_key_is_read_after_the_old_one_was_refused(self, secret_manager):
        credential = SecretManagerKey(NAME, secret_manager.client)
        sent = credential.headers() | {"Content-Type": "application/json"}
        assert not credential.refused(sent), "it is the same key"
        assert secret_manager.asked == [NAME] * 2
        secret_manager.key = b"CANARY-rotated"
        assert not credential.refused(sent), "it was looked at just now"
        assert SecretManagerKey(NAME, secret_manager.client).headers() == {KEY_HEADER: "CANARY-rotated"}

        credential = SecretManagerKey(NAME, secret_manager.client)
        sent = credential.headers()
        secret_manager.key = b"CANARY-again"
        assert credential.refused(sent)
        assert credential.headers() == {KEY_HEADER: "CANARY-again"}

    @pytest.mark.parametrize("failure", ["NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "FAILED_PRECONDITION"])
    def test_an_unreadable_secret_names_itself_only(self, secret_manager, failure):
        secret_manager.failure = grpc.StatusCode[failure]
        error = failure_of(SecretManagerKey(NAME, secret_manager.client))
        assert f"secret {NAME} cannot be read" in str(error)
        assert not isinstance(error, CredentialUnavailable)

    @pytest.mark.parametrize(
        "failure", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"]
    )
    def test_a_service_that_is_away_is_asked_once_and_may_come_back(self, secret_manager, failure):
        secret_manager.failure = grpc.StatusCode[failure]
        assert isinstance(failure_of(SecretManagerKey(NAME, secret_manager.client)), CredentialUnavailable)
        assert secret_manager.asked == [NAME]

    @pytest.mark.parametrize("key", [b"", b" \n", b"CANARY\xff", "CANARY“".encode(), b"CANARY\nx"])
    def test_content_that_is_no_header_is_refused(self, secret_manager, key):
        secret_manager.key = key
        error = failure_of(SecretManagerKey(NAME, secret_manager.client))
        assert NAME in str(error)
        assert not isinstance(error, CredentialUnavailable)

    @pytest.mark.parametrize("name", ["mykey", "projects/p/secrets/s", "projects//secrets/s/versions/1"])
    def test_a_malformed_name_is_refused(self, name):
        with pytest.raises(ConfigurationError, match="projects/PROJECT/secrets/SECRET"):
            SecretManagerKey(name)


class TestIssuedToken:
    @pytest.fixture(autouse=True)
    def _key(self, monkeypatch):
        monkeypatch.setenv("VISION_KEY", "CANARY")

    def test_it_is_kept_and_renewed_when_it_was_refused(self):
        with Emulator(key="CANARY") as emulator:
            credential = IssuedToken(EnvironmentKey(), emulator.url)
            first = credential.headers()
            assert first["Authorization"].startswith("Bearer ")
            assert credential.headers() == first
            assert credential.refused(first)
            assert credential.headers() != first
            assert credential.refused(first)
            assert emulator.stats()["calls"] == 0

    def test_the_issuer_is_asked_in_its_own_words(self, scripted):
        scripted.answers = [(200, {}, b"aaa.bbb-_~+/.ccc==\r\n")]
        credential = IssuedToken(EnvironmentKey(), scripted.url + "/")
        assert credential.headers() == {"Authorization": "Bearer aaa.bbb-_~+/.ccc=="}
        assert scripted.paths == ["/sts/v1.0/issueToken"]
        assert (scripted.headers[0][KEY_HEADER], scripted.headers[0]["Content-Length"]) == ("CANARY", "0")

    def test_no_credentials_of_a_netrc(self, scripted, monkeypatch, tmp_path):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        scripted.answers = [(200, {}, b"token")]
        IssuedToken(EnvironmentKey(), scripted.url).headers()
        assert "Authorization" not in scripted.headers[0]

    @pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
    def test_one_who_refuses(self, scripted, status):
        scripted.answers = [(status, {"Location": "/elsewhere"}, b"CANARY")]
        error = failure_of(IssuedToken(EnvironmentKey(), scripted.url))
        assert str(error) == f"{scripted.url}/sts/v1.0/issueToken gave no token: HTTP {status}"
        assert not isinstance(error, CredentialUnavailable)
        assert len(scripted.paths) == 1

    @pytest.mark.parametrize(
        ("status", "headers", "body", "wait"),
        [
            (503, {}, b"", None),
            (503, {"Retry-After": "7"}, b"", 7),
            (503, {"Retry-After": "7\x1f"}, b"", None),
            (429, {}, b"Rate limit is exceeded. Try again in 9 seconds.", 9),
            (408, {}, b"", None),
            (500, {}, b"x" * 100_000, None),
            (502, {}, b"<html>", None),
            (504, {}, b"\xff", None),
        ],
    )
    def test_one_who_is_away(self, scripted, status, headers, body, wait):
        scripted.answers = [(status, headers, body)]
        error = failure_of(IssuedToken(EnvironmentKey(), scripted.url))
        assert isinstance(error, CredentialUnavailable)
        assert error.wait == wait

    def test_one_who_cuts_the_line_is_away(self, scripted):
        scripted.answers = [(200, {"Content-Length": "100", "Connection": "close"}, b"half-a-token")]
        assert isinstance(failure_of(IssuedToken(EnvironmentKey(), scripted.url)), CredentialUnavailable)

    def test_one_who_does_not_listen_is_away(self, scripted):
        scripted.close()
        assert isinstance(failure_of(IssuedToken(EnvironmentKey(), scripted.url)), CredentialUnavailable)

    def test_certificates_that_are_not_there(self, monkeypatch, tmp_path):
        credential = IssuedToken(EnvironmentKey(), "https://127.0.0.1:9")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
        assert not isinstance(failure_of(credential), CredentialUnavailable)

    def test_one_who_never_answers_is_away(self, monkeypatch):
        monkeypatch.setattr(credentials, "FETCH_SECONDS", 0.05)
        answers = threading.Event()
        monkeypatch.setattr(credentials, "post_for_token", lambda *_: answers.wait(30))
        error = failure_of(IssuedToken(EnvironmentKey(), "https://issuer.example"))
        answers.set()
        assert isinstance(error, CredentialUnavailable)
        assert "https://issuer.example" in str(error)
        assert "within 0.05 s" in str(error)

    @pytest.mark.parametrize("body", [b"", b"<html>sign in</html>", b"two words", b"tok\xe9n", b"a\nb", b"x" * 20_000])
    def test_what_is_no_token_is_not_sent_as_one(self, scripted, body):
        scripted.answers = [(200, {}, body)]
        error = failure_of(IssuedToken(EnvironmentKey(), scripted.url))
        assert "does a proxy stand in between?" in str(error)
        assert not isinstance(error, CredentialUnavailable)

    def test_a_rotated_key_is_read_when_the_issuer_refuses_the_old_one(self, scripted, secret_manager):
        scripted.answers = [(200, {}, b"first"), (401, {}, b""), (200, {}, b"second")]
        credential = IssuedToken(SecretManagerKey(NAME, secret_manager.client), scripted.url)
        first = credential.headers()
        secret_manager.key = b"CANARY-rotated"
        assert credential.refused(first)
        assert credential.headers() == {"Authorization": "Bearer second"}
        keys = [headers[KEY_HEADER] for headers in scripted.headers]
        assert keys == ["CANARY-key", "CANARY-key", "CANARY-rotated"]

    def test_the_key_goes_to_no_other_machine_in_the_clear(self):
        with pytest.raises(ConfigurationError, match=r"token issuer.*http://issuer\.example.*--token_issuer"):
            IssuedToken(EnvironmentKey(), "http://issuer.example")
        IssuedToken(EnvironmentKey(), "http://issuer.example", allow_insecure_endpoint=True)


class TestEntraToken:
    def test_it_is_renewed_before_it_expires(self):
        asked = []

        def get_token(scope):
            asked.append(scope)
            return SimpleNamespace(token=f"token-{len(asked)}", expires_on=time.time() + (0 if len(asked) == 1 else 60))

        credential = EntraToken(lambda: SimpleNamespace(get_token=get_token))
        headers = [credential.headers()["Authorization"] for _ in range(3)]
        assert headers == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]
        assert set(asked) == {ENTRA_SCOPE}

    @pytest.fixture
    def identity(self, scripted, monkeypatch):
        """Microsoft's own client, and the identity of a machine that it asks."""
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{scripted.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        return scripted

    def test_a_managed_identity(self, identity):
        expiry = int(time.time()) + 3600
        token = f'{{"access_token": "aaa.bbb.ccc", "expires_on": "{expiry}", "resource": "r", "token_type": "Bearer"}}'
        identity.answers = [(200, {"Content-Type": "application/json"}, token.encode())]
        credential = EntraToken()
        assert credential.headers() == credential.headers() == {"Authorization": "Bearer aaa.bbb.ccc"}
        assert len(identity.paths) == 1

    @pytest.mark.parametrize(
        ("status", "headers", "wait"), [(503, {}, None), (429, {"Retry-After": "7"}, 7), (410, {}, None)]
    )
    def test_an_identity_service_that_is_away_is_asked_once(self, identity, status, headers, wait):
        identity.answers = [(status, headers | {"Content-Type": "application/json"}, b'{"message": "CANARY"}')]
        error = failure_of(EntraToken())
        assert isinstance(error, CredentialUnavailable)
        assert f"HTTP {status}" in str(error)
        assert (error.wait, len(identity.paths)) == (wait, 1)

    def test_an_identity_that_is_not_there(self, identity):
        identity.answers = [(400, {"Content-Type": "application/json"}, b'{"message": "CANARY"}')]
        assert not isinstance(failure_of(EntraToken()), CredentialUnavailable)

    def test_an_identity_that_was_there_is_away_if_nobody_says_otherwise(self):
        given = [SimpleNamespace(token="token", expires_on=0.0)]
        credential = EntraToken(lambda: SimpleNamespace(get_token=lambda _: given.pop()))
        credential.headers()
        assert isinstance(failure_of(credential), CredentialUnavailable)
        assert not isinstance(failure_of(EntraToken(credential.token_credential)), CredentialUnavailable)

    def test_without_azure_identity_the_message_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "azure.identity", None)
        assert "pip install 'image-analysis-beam[entra]'" in str(failure_of(EntraToken()))
        with pytest.raises(ConfigurationError, match=r"azure-identity is not installed; pip install .*\[entra\]"):
            check_entra_is_installed()

    def test_what_is_no_token_is_not_sent_as_one(self):
        token = SimpleNamespace(token="<html>CANARY", expires_on=time.time() + 3600)
        failure_of(EntraToken(lambda: SimpleNamespace(get_token=lambda _: token)))


def test_pickled_and_printed_credentials_hold_names_only(secret_manager, scripted, monkeypatch):
    monkeypatch.setenv("VISION_KEY", "CANARY")
    scripted.answers = [(200, {}, b"CANARY-token")]
    for credential in (EnvironmentKey(), IssuedToken(EnvironmentKey(), scripted.url)):
        headers = credential.headers()
        pickled = pickle.dumps(credential)
        assert b"CANARY" not in pickled
        assert "CANARY" not in repr(credential)
        assert pickle.loads(pickled) == credential
        assert pickle.loads(pickled).headers() == headers
    credential = SecretManagerKey(NAME, secret_manager.client)
    credential.headers()
    assert repr(credential) == f"SecretManagerKey(name='{NAME}')"
    assert repr(EntraToken(lambda: "CANARY")) == "EntraToken()"
