"""Buckets of stand-ins, to which the environment points while a module's tests run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from apache_beam.internal.gcp import auth
from azure.storage.blob import BlobServiceClient
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from image_analysis_beam.transforms.files import store
from image_analysis_beam.transforms.files.gcs_access import go_anonymous_with_an_emulator

from . import servers
from .front import Front

BUCKET = "photos"


@pytest.fixture(scope="module")
def gcs_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a storage emulator of the module's own: it slows down with every object. It has the bucket photos."""
    with servers.gcs_emulator(BUCKET, _log(tmp_path_factory)) as port:
        yield port


@pytest.fixture(scope="module")
def gcs(gcs_emulator: int) -> Iterator[storage.Bucket]:
    """The bucket gs://photos of that emulator; preconditions, which it ignores, are enforced."""
    with Front(gcs_emulator, enforcing=True).serve() as url, _pointing_to_gcs(url):
        yield storage.Client("test", AnonymousCredentials()).bucket(BUCKET)


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a storage server that enforces preconditions by itself, but knows no batch requests."""
    with servers.fake_gcs(_log(tmp_path_factory)) as port:
        yield port


@pytest.fixture
def gcs_with_preconditions(fake_gcs: int) -> Iterator[storage.Bucket]:
    """The bucket gs://photos of that server."""
    with _pointing_to_gcs(f"http://127.0.0.1:{fake_gcs}"):
        client = storage.Client("test", AnonymousCredentials())
        yield client.lookup_bucket(BUCKET) or client.create_bucket(BUCKET)
    store._made.cache_clear()


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of moto's server."""
    with servers.moto(_log(tmp_path_factory)) as port:
        yield port


@pytest.fixture(scope="module")
def s3(moto: int) -> Iterator[str]:
    """`s3://photos`."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in servers.aws_environment(moto).items():
            environment.setenv(name, value)
        store._made.cache_clear()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of Azurite."""
    if reason := servers.why_no_azurite():
        pytest.skip(reason)
    with servers.azurite(_log(tmp_path_factory)) as port:
        yield port


@pytest.fixture(scope="module")
def azure(azurite: int) -> Iterator[str]:
    """`azfs://ACCOUNT/photos`."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in servers.azure_environment(azurite).items():
            environment.setenv(name, value)
            client = BlobServiceClient.from_connection_string(value)
        store._made.cache_clear()
        if not client.get_container_client(BUCKET).exists():
            client.create_container(BUCKET)
        yield f"azfs://{servers.ACCOUNT}/{BUCKET}"


@contextmanager
def _pointing_to_gcs(url: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("STORAGE_EMULATOR_HOST", url)
        environment.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        environment.setattr(auth._Credentials, "_credentials_init", False)
        go_anonymous_with_an_emulator()
        store._made.cache_clear()
        yield


def _log(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("server") / "log"
