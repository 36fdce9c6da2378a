"""Lists, images and output on gs://: the real client and Beam's file system against a storage emulator."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from apache_beam.io.filesystems import FileSystems
from google.cloud import storage
from PIL import Image

from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.files.many import list_folder, remove_folder, remove_many
from image_analysis_beam.transforms.files.storage import iterate_files, write_whole
from image_analysis_beam.transforms.lists.check import check_list
from image_analysis_beam.transforms.lists.matching import check_found, image_files, list_files
from image_analysis_beam.transforms.lists.parsers import read_list

BUCKET = "photos"
IMAGES = 100


@pytest.fixture(scope="module")
def pictures(gcs: storage.Bucket) -> list[str]:
    """The URIs of 100 pictures in the bucket, and a list of them at `gs://photos/uris.txt`."""
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


def test_a_listing_streams_what_beam_lists(pictures):
    pattern = f"gs://{BUCKET}/in/00[0-4]?.png"
    listed = iterate_files(pattern)
    assert next(listed).path == pictures[0]
    assert sorted(file.path for file in listed) == pictures[1:50]
    ours = {(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in iterate_files(pattern)}
    beams = FileSystems.match([pattern])[0].metadata_list
    assert ours == {(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in beams}


def test_a_folder_and_a_compressed_list(gcs, pictures):
    gcs.blob("lists/a.csv.gz").upload_from_string(gzip.compress("\n".join(["uri", *pictures]).encode()))
    gcs.blob("in/notes.md").upload_from_string("no image")
    (file,) = list_files(f"gs://{BUCKET}/lists/*.gz")
    check_list(file, "uri")
    assert [(image.uri, image.position) for image in read_list(file, "uri")] == [
        (uri, line) for line, uri in enumerate(pictures, start=2)
    ]
    for folder in ("in", "in/"):
        assert sorted(image.uri for image in image_files(f"gs://{BUCKET}/{folder}")) == pictures
    assert [image.uri for image in image_files(pictures[0])] == pictures[:1]
    with pytest.raises(ConfigurationError, match=f"there is no gs://{BUCKET}/none"):
        check_found(f"gs://{BUCKET}/none", image_files(f"gs://{BUCKET}/none"))


def test_names_are_no_patterns(gcs):
    folder, other = f"gs://{BUCKET}/a [1]*", f"gs://{BUCKET}/a 1x"
    for path in (f"{folder}/f?", f"{folder}/f2", f"{other}/f2"):
        write_whole(path, b"")
    remove_many([f"{folder}/f?"])
    assert [file.path for file in list_folder(folder)] == [f"{folder}/f2"]
    remove_folder(folder)
    assert [*list_folder(folder)] == []
    assert [file.path for file in list_folder(other)] == [f"{other}/f2"]


@pytest.mark.long
def test_no_process_searches_for_credentials(pictures, command):
    """Beam's search takes 25 s in each of the three processes of this job, and ends in a warning."""
    finished = command(
        *("--images", f"gs://{BUCKET}/in/000?.png", "--output", f"gs://{BUCKET}/quick", "--features", "tags"),
        *("--direct_running_mode", "multi_processing", "--direct_num_workers", "2"),
    )
    assert finished.code == 0, finished.err
    assert "10 images: 10 analyzed" in finished.out
    assert "default credentials" not in finished.err
