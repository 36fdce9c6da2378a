"""The front before the storage emulator enforces preconditions, and changes nothing else."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest
from google.api_core.exceptions import PreconditionFailed

LARGE = os.urandom(9 * 1024 * 1024)  # over 8 MB an upload is resumable, in several requests


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["multipart", "resumable"])
def test_a_creation_is_refused_where_something_is(gcs, data):
    blob = gcs.blob(f"{uuid4().hex}/ü 1?#%2F")
    blob.upload_from_string(data, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        gcs.blob(blob.name).upload_from_string(b"other", if_generation_match=0)
    assert gcs.blob(blob.name).download_as_bytes() == data


def test_everything_else_passes(gcs):
    blob = gcs.blob(f"{uuid4().hex}/a")
    blob.upload_from_string(LARGE)
    blob.upload_from_string(LARGE + b"end")
    assert blob.download_as_bytes(start=len(LARGE)) == b"end"
    with blob.open("wb", chunk_size=256 * 1024) as file:
        file.write(LARGE)
    assert gcs.get_blob(blob.name).size == len(LARGE)
    with gcs.client.batch():
        gcs.copy_blob(blob, gcs, f"{blob.name}.copy")
        blob.delete()
    prefix = blob.name.partition("/")[0]
    assert [found.name for found in gcs.list_blobs(prefix=prefix)] == [f"{blob.name}.copy"]
