"""What can be said of an `azfs://` path before anything is asked of the service."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from image_analysis_beam.transforms.files.azure_access import azure_obstacle

CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"


def told(path: str, *flags: str) -> str:
    return "; ".join(azure_obstacle(path, PipelineOptions([*flags])) or ())


def test_a_connection_is_needed(monkeypatch):
    monkeypatch.delenv(CONNECTION, raising=False)
    assert "set --blob_service_endpoint https://myaccount.blob.core.windows.net" in told("azfs://myaccount/photos/a")
    assert told("azfs://me1/photos/a", "--blob_service_endpoint", "https://me1.blob.core.windows.net") == ""
    assert told("azfs://me1/photos/*.png", "--azure_connection_string", "BlobEndpoint=x") == ""
    monkeypatch.setenv(CONNECTION, "BlobEndpoint=x")
    assert told("azfs://me1/photos/a") == ""


@pytest.mark.parametrize(
    "path", ["azfs://me1", "azfs://me1/photos", "azfs://ME1/photos/a", "azfs://me.blob.core.windows.net/photos/a"]
)
def test_account_container_and_path_are_named(path, monkeypatch):
    monkeypatch.setenv(CONNECTION, "BlobEndpoint=x")
    assert "write azfs://ACCOUNT/CONTAINER/PATH" in told(path)
