"""Lists, images and output on gs://: the real client and Beam's file system against a storage emulator."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from image_analysis_beam.emulator import Emulator
from image_analysis_beam.transforms.gcs import iterate_objects
from image_analysis_beam.transforms.storage import open_bytes

pytest.importorskip("gcp_storage_emulator", reason="pip install gcp-storage-emulator")

IMAGES = 500
BUCKET = "photos"


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[storage.Bucket]:
    """A bucket of a storage emulator, which is a process of its own; the environment points to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path_factory.mktemp("gcs") / "log").open("w") as log, pytest.MonkeyPatch.context() as environment:
        server = subprocess.Popen([*command, "--in-memory", "--default-bucket", BUCKET], stdout=log, stderr=log)
        try:
            _wait_until_listening(server, port)
            environment.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
            environment.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
            yield storage.Client("test", AnonymousCredentials()).bucket(BUCKET)
        finally:
            server.kill()
            server.wait()


def _wait_until_listening(server: subprocess.Popen[bytes], port: int) -> None:
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    raise RuntimeError("the storage emulator did not start")
