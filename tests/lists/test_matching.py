"""What a pattern means: files, those in a folder, or nothing."""

import os

import pytest

from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.lists.matching import check_found, image_files, list_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with images, in it and below it, and with what is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.jpg", "photos/b [1]/c.PNG", "photos/b [1]/d.tiff", "photos/notes.md", "photos/e.jpg.xmp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def uris(pattern):
    return sorted(image.uri for image in image_files(pattern))


def test_a_folder_means_the_images_in_it(folder):
    below = ["photos/a.jpg", "photos/b [1]/c.PNG", "photos/b [1]/d.tiff"]
    assert uris("photos") == below
    assert uris("photos/") == below
    assert uris("photos/b [1]") == below[1:]
    assert {(image.listed_in, image.position) for image in image_files("photos")} == {("photos", 0)}


def test_a_pattern_means_all_that_it_matches(folder):
    assert uris("photos/*.*") == ["photos/a.jpg", "photos/e.jpg.xmp", "photos/notes.md"]
    assert uris("photos/**.PNG") == ["photos/b [1]/c.PNG"]


def test_a_name_that_exists_is_no_pattern(folder):
    (folder / "uris [1].txt").touch()
    (folder / "uris 1.txt").touch()
    assert [file.name for file in list_files("uris [1].txt")] == ["uris [1].txt"]
    assert sorted(file.name for file in list_files("uris*.txt")) == ["uris 1.txt", "uris [1].txt"]


def test_a_file_name_that_is_not_utf_8_is_an_image_without_a_uri(folder):
    os.close(os.open(os.fsencode(folder) + b"/photos/caf\xe9.jpg", os.O_CREAT))
    for pattern in ("photos", "photos/*.jpg"):
        (odd,) = (image for image in image_files(pattern) if not image.uri)
        assert (odd.image_uri, odd.fault) == ("photos/caf\\xe9.jpg", "it is not UTF-8")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("none.txt", "there is no {folder}/none.txt"),
        ("none*.txt", "it matches no file; check the path"),
        ("photos/b [1]/*.gif", "it matches no file"),
        (".", "it is a folder; name the lists in it: ./*.txt; for image files use --images"),
        ("/dev/null", "it is no file; for a pipe use --input -"),
        ("caf\udce9.txt", "is not UTF-8; rename it"),
        ("photos/*", "a list ends in .txt"),
        ("none://a/*.txt", "it cannot be listed ("),
    ],
)
def test_a_pattern_for_lists_that_means_none(folder, pattern, words):
    with pytest.raises(ConfigurationError) as refused:
        check_found(pattern, list_files(pattern))
    assert words.format(folder=folder) in str(refused.value)


def test_a_folder_without_images(folder):
    (folder / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="the folder holds no file that is named like an image"):
        check_found("empty", image_files("empty"))
