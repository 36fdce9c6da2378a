"""Whether what an answer was given to is still there."""

import hashlib
import os

import pytest

from image_analysis_beam.transforms.files.store import Found, store_of
from image_analysis_beam.transforms.ledger.content import Content, changed

OBJECT = Found("s3://bucket/a.jpg", 100, 0.0, "new")


@pytest.mark.parametrize(
    ("kept", "is_same"),
    [
        (Content("new", 100, "hash"), True),
        (Content("old", 100, "hash"), False),
        (Content(None, 100, "hash"), True),
        (Content(None, 99, "hash"), False),
        (Content("old", None, None), False),
    ],
)
def test_an_object_is_told_by_its_etag_and_without_one_by_its_size(kept, is_same):
    assert kept.is_that_of(OBJECT) is is_same


def test_what_was_listed_is_not_looked_at():
    contents = {Content("old", 100, None): 1, Content("new", 100, None): 2}
    assert changed("s3://no bucket", contents, "new") == 1
    assert changed("s3://no bucket", contents) is None
    assert changed("s3://no bucket", {Content(None, 100, None): 1}, "new") is None


def test_where_a_store_gives_no_etag_the_size_tells():
    found = OBJECT._replace(etag=None)
    assert [Content("old", size, None).is_that_of(found) for size in (100, 99)] == [True, False]


def test_a_file_that_was_touched_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    etag = store_of(str(path)).find(str(path)).etag
    kept = Content(etag, 7, hashlib.sha256(b"picture").hexdigest())
    assert changed(str(path), {kept: 3, kept._replace(etag="other", sha256="other"): 4}) == 4
    os.utime(path, ns=(1, 1))
    assert changed(str(path), {kept: 3}) == 0
    path.write_bytes(b"another")
    assert changed(str(path), {kept: 3}) == 3


def test_what_is_gone_or_cannot_be_read_is_not_changed(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    for path in ("none.jpg", "folder/none.jpg"):
        assert changed(str(tmp_path / path), {Content("1", 1, None): 1}) is None
    size = os.stat(tmp_path / "folder").st_size
    assert changed(str(tmp_path / "folder"), {Content("1", size, "hash"): 1}) is None
