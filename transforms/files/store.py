"""A store: a file system as this package uses it, with one client for a process however many files it opens.

Beam's own file systems make a client for every call (on S3 a tenth of a second of computing each), wait for one request
after the other, and know no "create unless it is there". A store takes Beam's credentials, client and readers, and does
the rest by the client's own means. Its methods may be called by any number of threads.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol, cast

from .schemes import scheme_of

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


class Found(NamedTuple):
    """A file, as Beam's `FileMetadata` tells of it; and by `etag`, which is another whenever it was written again.

    That is the generation on GCS, the ETag on S3 and Azure, and time (ns) and size of a local file; None elsewhere.
    """

    path: str
    size_in_bytes: int
    last_updated_in_seconds: float
    etag: str | None = None


class Store(Protocol):
    """Whole files by their paths. What cannot be done raises `OSError` (`BeamIOError` is one), in open files too."""

    requests_at_once: int
    """How many requests are worth having under way."""

    names_per_removal: int
    """How many names `remove` takes at once."""

    weakness: str | None
    """Why two creators of one name may both succeed; None where they cannot."""

    def find(self, path: str) -> Found | None:
        """The file, or None."""

    def listing(self, prefix: str) -> Iterator[Found]:
        """The files whose path begins with `prefix`, which may have to end at a folder; one page is held at a time."""

    def open(self, path: str) -> BinaryIO:
        """Opens a file for reading; it can be sought in. `FileNotFoundError`: there is none."""

    def open_new(self, path: str) -> BinaryIO:
        """Opens a file for writing, over whatever is there; its folder need not exist."""

    def read_first(self, path: str, most: int) -> tuple[bytes, str | None]:
        """The first bytes, `most` of them, and the file's etag. `FileNotFoundError`: there is none."""

    def read(self, path: str) -> bytes | None:
        """The content; None where there is no file, or one that is not finished."""

    def put(self, path: str, data: bytes) -> None:
        """Writes a file over whatever is there; readers see the old one or the new one, whole."""

    def create(self, path: str, data: bytes) -> bool:
        """Writes a file whole unless there is one: whether it did. Of any number of creators one succeeds."""

    def move(self, source: str, target: str) -> None:
        """Renames a file over whatever is there; done already is done."""

    def remove(self, paths: list[str]) -> None:
        """Removes up to `names_per_removal` files; gone already is done."""


def _local(options: PipelineOptions | None) -> Store:
    from .local import LocalStore

    return LocalStore()


def _gcs(options: PipelineOptions) -> Store:
    from .gcs import GcsStore

    return GcsStore(options)


def _s3(options: PipelineOptions) -> Store:
    from .s3 import S3Store

    return S3Store(options)


def _azure(options: PipelineOptions) -> Store:
    from .azure import AzureStore

    return AzureStore(options)


def _other(options: PipelineOptions) -> Store:
    from .other import OtherStore

    return OtherStore()


# Imported when first used: an extra may be missing, and the clients take their time.
MAKERS: dict[str | None, Callable[[Any], Store]] = {None: _local, "gs": _gcs, "s3": _s3, "azfs": _azure}


_MAKING = Lock()


def store_of(path: str) -> Store:
    """The store that a path is in."""
    scheme = scheme_of(path)
    with _MAKING:  # by the first of the threads that want it
        return _made(MAKERS.get(scheme, _other), _options() if scheme else None)


def _options() -> PipelineOptions | None:
    from apache_beam.io.filesystems import FileSystems

    return FileSystems._pipeline_options


@lru_cache(maxsize=16)
def _made(maker: Callable[[Any], Store], options: PipelineOptions | None) -> Store:
    if maker is _local:
        return maker(None)
    from apache_beam.options.pipeline_options import PipelineOptions

    return maker(options or PipelineOptions([]))


def _make_anew() -> None:
    """A process that was forked has clients of its own: on one connection, two would get each other's replies."""
    global _MAKING
    _MAKING = Lock()
    _made.cache_clear()


os.register_at_fork(after_in_child=_make_anew)


@contextmanager
def io_errors(operation: str, path: str, *kinds: type[Exception]) -> Iterator[None]:
    """Raises exceptions of a client as the `BeamIOError` that Beam's file systems raise."""
    from apache_beam.io.filesystem import BeamIOError

    try:
        yield
    except kinds as error:
        raise BeamIOError(f"{operation} failed", {path: error}) from error


def opened(make: Callable[[], Any], path: str, *kinds: type[Exception]) -> BinaryIO:
    """The file that a client opens; exceptions of its opening and its use are raised as `io_errors` does."""
    with io_errors("Open operation", path, *kinds):
        return cast(BinaryIO, _OpenFile(make(), path, *kinds))


class _OpenFile(io.RawIOBase):
    """A file of a client whose exceptions are raised as `io_errors` does.

    Args:
      file: the file as the client opens it.
      path: its path.
      kinds: the exceptions.
    """

    def __init__(self, file: Any, path: str, *kinds: type[Exception]) -> None:
        self._file, self._path, self._kinds = file, path, kinds

    def readable(self) -> bool:
        return bool(self._file.readable())

    def writable(self) -> bool:
        return bool(self._file.writable())

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def readinto(self, buffer: Any) -> int | None:
        with io_errors("Read operation", self._path, *self._kinds):
            return int(self._file.readinto(buffer))

    def write(self, data: Any) -> int:
        with io_errors("Write operation", self._path, *self._kinds):
            return int(self._file.write(data))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            super().close()
            with io_errors("Close operation", self._path, *self._kinds):
                self._file.close()
