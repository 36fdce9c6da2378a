"""Secrets are resolved where they are used, and never travel."""

import pickle
import time
from concurrent import futures
from types import SimpleNamespace

import grpc
import pytest
from google.cloud import secretmanager_v1

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.transforms.endpoint.credentials import (
    ENTRA_SCOPE,
    CredentialError,
    EntraToken,
    EnvironmentKey,
    IssuedToken,
    SecretManagerKey,
)
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError

NAME = "projects/p/secrets/vision/versions/latest"


@pytest.fixture
def secret_manager():
    """A Secret Manager on loopback that speaks the real protocol."""
    asked = []

    def access(request, context):
        asked.append(request.name)
        if request.name != NAME:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such secret")
        payload = secretmanager_v1.SecretPayload(data=b"CANARY-key\n")
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

    yield SimpleNamespace(client=client, asked=asked)
    server.stop(None)


def test_a_key_from_the_environment(monkeypatch):
    monkeypatch.setenv("VISION_KEY", " CANARY \n")
    assert EnvironmentKey().headers() == {"Ocp-Apim-Subscription-Key": "CANARY"}
    monkeypatch.delenv("VISION_KEY")
    with pytest.raises(CredentialError, match="environment variable VISION_KEY"):
        EnvironmentKey().headers()


def test_a_key_from_secret_manager_is_read_once(secret_manager):
    credential = SecretManagerKey(NAME, secret_manager.client)
    assert credential.headers() == credential.headers() == {"Ocp-Apim-Subscription-Key": "CANARY-key"}
    assert secret_manager.asked == [NAME]


def test_an_unreadable_secret_names_itself_only(secret_manager):
    credential = SecretManagerKey(NAME.replace("vision", "other"), secret_manager.client)
    with pytest.raises(CredentialError, match="projects/p/secrets/other/versions/latest cannot be read: NotFound"):
        credential.headers()


@pytest.mark.parametrize("name", ["mykey", "projects/p/secrets/s", "projects//secrets/s/versions/1"])
def test_a_malformed_secret_name_is_refused(name):
    with pytest.raises(ConfigurationError, match="projects/PROJECT/secrets/SECRET"):
        SecretManagerKey(name)


def test_an_issued_token_is_kept_and_renewed_on_demand(monkeypatch):
    monkeypatch.setenv("VISION_KEY", "k")
    with Emulator(key="k") as emulator:
        credential = IssuedToken(EnvironmentKey(), emulator.url)
        first = credential.headers()
        assert first["Authorization"].startswith("Bearer ")
        assert credential.headers() == first
        assert credential.refresh()
        assert credential.headers() != first


def test_a_wrong_key_gets_no_token(monkeypatch):
    monkeypatch.setenv("VISION_KEY", "CANARY")
    with Emulator(key="k") as emulator, pytest.raises(CredentialError) as error:
        IssuedToken(EnvironmentKey(), emulator.url).headers()
    assert "HTTP 401" in str(error.value)
    assert "CANARY" not in str(error.value)


def test_an_entra_token_is_renewed_before_it_expires():
    asked = []

    def get_token(scope):
        asked.append(scope)
        lifetime = 60 if len(asked) == 1 else 3600
        return SimpleNamespace(token=f"token-{len(asked)}", expires_on=time.time() + lifetime)

    credential = EntraToken(lambda: SimpleNamespace(get_token=get_token))
    headers = [credential.headers()["Authorization"] for _ in range(3)]
    assert headers == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]
    assert set(asked) == {ENTRA_SCOPE}


@pytest.mark.parametrize(
    "credential", [EnvironmentKey(), SecretManagerKey(NAME), IssuedToken(EnvironmentKey(), "http://h")]
)
def test_pickled_and_printed_credentials_hold_names_only(credential, monkeypatch):
    monkeypatch.setenv("VISION_KEY", "CANARY")
    credential._secret = "CANARY"
    copy = pickle.loads(pickle.dumps(credential))
    assert copy._secret is None
    assert b"CANARY" not in pickle.dumps(credential)
    assert "CANARY" not in repr(credential)
