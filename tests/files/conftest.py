"""Every store, on this machine: a disk, the servers that stand in for clouds, a file system that is Beam's alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from google.cloud.storage import Bucket

from image_analysis_beam.transforms.files import store
from stand_ins import memory  # noqa: F401  which registers itself
from stand_ins.front import Front

VARIABLES = {
    "gcs_with_preconditions": "STORAGE_EMULATOR_HOST",
    "s3": "AWS_ENDPOINT_URL_S3",
    "azure": "AZURE_STORAGE_CONNECTION_STRING",
}


@pytest.fixture
def new_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """`new_folder("s3")`: a folder of this store that nobody has used."""

    def make(kind: str) -> str:
        if kind == "local":
            return str(tmp_path / "out")
        root = "memory://files" if kind == "memory" else request.getfixturevalue(kind)
        return f"{f'gs://{root.name}' if isinstance(root, Bucket) else root}/{uuid4().hex}"

    return make


@pytest.fixture(params=["local", "gcs", "s3", "azure", "memory"])
def folder(request: pytest.FixtureRequest, new_folder: Callable[[str], str]) -> str:
    """A new folder of each store."""
    return new_folder(request.param)


@pytest.fixture(params=VARIABLES)
def fronted(request: pytest.FixtureRequest, new_folder: Callable[[str], str]) -> Iterator[tuple[Front, str]]:
    """A front before the server of a store, to which the environment points, and a new folder of the store."""
    folder, variable = new_folder(request.param), VARIABLES[request.param]
    (port,) = re.findall(r"127\.0\.0\.1:(\d+)", os.environ[variable])
    front = Front(int(port))
    with front.serve() as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv(variable, os.environ[variable].replace(f"127.0.0.1:{port}", urlsplit(url).netloc))
        store._made.cache_clear()
        yield front, folder
    store._made.cache_clear()
