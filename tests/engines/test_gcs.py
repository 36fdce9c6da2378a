"""Lists, images and output on gs://: the real client and Beam's file system against a storage emulator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from time import monotonic

import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems
from google.cloud import storage
from PIL import Image

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.transforms.gcs import iterate_objects

KEY, BUCKET = "engines-key", "photos"
RATE, IN_FLIGHT = 60, 8
IMAGES = 500


@pytest.fixture(scope="module")
def pictures(gcs: storage.Bucket) -> list[str]:
    """The URIs of 500 pictures in the bucket, and a list of them at `gs://photos/uris.txt`."""
    names = [f"in/{index:04d}.png" for index in range(IMAGES)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: gcs.blob(name).upload_from_string(_png(int(name[3:7]))), names))
    uris = [f"gs://{BUCKET}/{name}" for name in names]
    gcs.blob("uris.txt").upload_from_string("\n".join(uris))
    return uris


def _png(index: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 50), (index % 256, index // 256, 128)).save(file, "PNG")
    return file.getvalue()


def _names(gcs: storage.Bucket, prefix: str) -> list[str]:
    return [blob.name for blob in gcs.list_blobs(prefix=prefix)]


def _column(gcs: storage.Bucket, table: str, column: str) -> list[str]:
    files = [name for name in _names(gcs, f"out/{table}/") if name.endswith(".parquet")]
    tables = [pq.read_table(BytesIO(gcs.blob(name).download_as_bytes()), columns=[column]) for name in files]
    return [value for table in tables for value in table[column].to_pylist()]


def test_a_listing_streams_what_beam_lists(pictures):
    pattern = f"gs://{BUCKET}/in/00[0-4]?.png"
    listed = iterate_objects(pattern)
    assert next(listed).path == pictures[0]
    assert sorted(file.path for file in listed) == pictures[1:50]
    ours = {(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in iterate_objects(pattern)}
    beams = FileSystems.match([pattern])[0].metadata_list
    assert ours == {(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in beams}


def test_no_process_searches_for_credentials(pictures, command):
    """Beam's search takes 25 s in every process; this job has three."""
    started = monotonic()
    finished = command(
        *("--images", f"gs://{BUCKET}/in/000?.png", "--output", f"gs://{BUCKET}/quick", "--features", "tags"),
        *("--direct_running_mode", "multi_processing", "--direct_num_workers", "2"),
    )
    assert finished.code == 0, finished.err
    assert "10 images: 10 analyzed" in finished.out
    assert monotonic() - started < 25


def test_a_killed_job_on_gs_is_taken_up(gcs, pictures, service: Emulator, command):
    service.reset()
    flags = [
        *("--input", f"gs://{BUCKET}/uris.txt", "--output", f"gs://{BUCKET}/out", "--features", "tags"),
        *("--requests_per_second", str(RATE), "--max_in_flight", str(IN_FLIGHT)),
    ]
    _kill_after(IMAGES // 2, service, flags)
    assert _names(gcs, "out/journal/"), "nothing was journalled before the kill"
    assert not [name for name in _names(gcs, "out/runs/") if name.endswith(".json")]

    finished = command(*flags)

    assert finished.code == 0, finished.err
    assert "taking over the answers of" in finished.err
    assert sorted(_column(gcs, "images", "image_uri")) == pictures
    assert sorted(_column(gcs, "responses", "image_uri")) == pictures
    assert _names(gcs, "out/journal/") == _names(gcs, "out/staging/") == []
    assert [name for name in _names(gcs, "out/runs/") if name.endswith(".started")] == []
    calls = service.stats()["calls"]
    print(f"killed at {IMAGES // 2}: {calls} calls for {IMAGES} images, {len(_names(gcs, ''))} objects in the bucket")
    assert calls <= IMAGES + IN_FLIGHT + 3 * RATE


def _kill_after(calls: int, service: Emulator, flags: list[str]) -> None:
    environment = os.environ | {"VISION_ENDPOINT": service.url, "VISION_KEY": KEY}
    command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *flags]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and service.stats()["calls"] < calls:
        threading.Event().wait(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
