"""What a store promises, on each of them."""

import pytest

from image_analysis_beam.transforms.files.store import store_of

ODD = "sp ace#1?a%20é+&=;'[x]*.bin"


def paths(listed):
    return sorted(file.path for file in listed)


def test_a_file_is_written_read_and_found(folder):
    store, path = store_of(folder), f"{folder}/deep/{ODD}"
    assert store.find(path) is store.read(path) is None
    with pytest.raises(FileNotFoundError):
        store.open(path)
    store.put(path, b"first, longer")
    store.put(path, b"second")
    found = store.find(path)
    assert (found.path, found.size_in_bytes) == (path, 6)
    assert store.read(path) == b"second"


@pytest.mark.parametrize("folder", ["local", "gcs_with_preconditions", "s3", "azure", "memory"], indirect=True)
def test_of_a_file_the_first_bytes_are_read_with_its_etag(folder):
    store, path = store_of(folder), f"{folder}/{ODD}"
    with pytest.raises(FileNotFoundError):
        store.read_first(path, 9)
    store.put(path, b"")
    assert store.read_first(path, 9)[0] == b""
    store.put(path, b"0123456789")
    first, etag = store.read_first(path, 4)
    assert (first, store.read_first(path, 99)) == (b"0123", (b"0123456789", etag))
    if folder.startswith("memory:"):
        assert etag is None
        return
    assert etag == store.find(path).etag == next(store.listing(f"{folder}/")).etag
    store.put(path, b"9876543210")
    assert store.find(path).etag == store.read_first(path, 1)[1] != etag


def test_an_open_file_can_be_sought_in(folder):
    store, path = store_of(folder), f"{folder}/a file"
    store.put(path, b"0123456789")
    with store.open(path) as file:
        file.seek(-3, 2)
        assert file.read() == b"789"
        file.seek(1)
        assert file.read(2) == b"12"


def test_a_file_comes_in_pieces(folder):
    store, path = store_of(folder), f"{folder}/large"
    piece = bytes(range(256)) * 4096
    with store.open_new(path) as file:
        for _ in range(7):
            file.write(piece)
    assert store.read(path) == piece * 7


def test_a_listing_is_of_what_begins_so(folder):
    store = store_of(folder)
    for name in ("a/1", f"a/b/{ODD}", "a1/2", "b"):
        store.put(f"{folder}/{name}", b"x")
    assert paths(store.listing(f"{folder}/a/")) == [f"{folder}/a/1", f"{folder}/a/b/{ODD}"]
    assert len(paths(store.listing(f"{folder}/"))) == 4
    assert paths(store.listing(f"{folder}/nothing/")) == []
    (file,) = store.listing(f"{folder}/a1/")
    assert file.size_in_bytes == 1
    assert file.last_updated_in_seconds == pytest.approx(store.find(file.path).last_updated_in_seconds, abs=1)


def test_a_move_is_safe_to_repeat(folder):
    store, source, target = store_of(folder), f"{folder}/staging/{ODD}", f"{folder}/table/{ODD}%2F"
    store.put(target, b"old")
    store.put(source, b"new")
    for _ in range(2):
        store.move(source, target)
        assert store.find(source) is None
        assert store.read(target) == b"new"
    with pytest.raises(OSError, match="staging"):
        store.move(source, f"{folder}/other")


def test_a_removal_is_safe_to_repeat(folder):
    store = store_of(folder)
    names = [f"{folder}/{ODD}", *(f"{folder}/{number}" for number in range(3))][: store.names_per_removal]
    for path in [*names, f"{folder}/kept"]:
        store.put(path, b"x")
    for _ in range(2):
        store.remove(names)
        assert paths(store.listing(f"{folder}/")) == [f"{folder}/kept"]


def test_a_creation_keeps_what_is_there(folder):
    store, path = store_of(folder), f"{folder}/runs/{ODD}"
    assert store.create(path, b"first")
    assert not store.create(path, b"second")
    assert store.read(path) == b"first"
    assert paths(store.listing(f"{folder}/")) == [path]


@pytest.mark.parametrize("folder", ["gcs", "s3", "azure"], indirect=True)
def test_a_bucket_that_is_not_there_is_an_error(folder):
    nowhere = folder.replace("photos", "nosuchbucket")
    store = store_of(nowhere)

    def write() -> None:
        with store.open_new(f"{nowhere}/a") as file:
            file.write(b"x")

    for refused in (
        write,
        lambda: list(store.listing(f"{nowhere}/")),
        lambda: store.put(f"{nowhere}/a", b"x"),
        lambda: store.create(f"{nowhere}/a", b"x"),
        lambda: store.move(f"{nowhere}/a", f"{nowhere}/b"),
    ):
        with pytest.raises(OSError, match="nosuchbucket"):
            refused()
