"""Where there are no credentials for `gs://`, an image cannot be read, at once, and its reader says what to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError

from image_analysis_beam.transforms.files import gcs_access
from image_analysis_beam.transforms.files.storage import open_bytes


@pytest.fixture
def looks(monkeypatch):
    """Where there are none: one element for each time that somebody looks for them."""
    looks = []

    def default(scopes):
        looks.append(scopes)
        raise DefaultCredentialsError

    monkeypatch.delenv(gcs_access.EMULATOR_VARIABLE, raising=False)
    monkeypatch.setattr(google.auth, "default", default)
    gcs_access._has_credentials.cache_clear()
    yield looks
    gcs_access._has_credentials.cache_clear()


def read(uri):
    with pytest.raises(PermissionError, match="no Google Cloud credentials here; run: gcloud auth"):
        open_bytes(uri)


def test_a_process_looks_for_credentials_once(looks, caplog):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, [f"gs://bucket/{number}.png" for number in range(20)]))
    assert len(looks) == 1
    assert not caplog.records
