"""One client for a process: Beam makes one for every file, which on S3 is a tenth of a second of computing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from image_analysis_beam.transforms.files.store import store_of


def test_threads_that_come_together_share_one(folder):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(store_of, [f"{folder}/{number}" for number in range(8)]))) == 1


@pytest.mark.parametrize("folder", ["gcs", "s3", "azure"], indirect=True)
def test_other_options_are_another(folder, monkeypatch):
    one = store_of(folder)
    monkeypatch.setattr(FileSystems, "_pipeline_options", PipelineOptions([]))
    other = store_of(folder)
    assert other is not one
    assert store_of(f"{folder}/a") is other


@pytest.mark.parametrize("folder", ["gcs", "s3", "azure"], indirect=True)
def test_no_connection_is_dropped_for_want_of_a_place(folder, caplog):
    """urllib3 warns of each."""
    store = store_of(folder)
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(store.find, [f"{folder}/{number}" for number in range(200)]))
    assert "Connection pool is full" not in caplog.text
