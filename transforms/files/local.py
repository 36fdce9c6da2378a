"""The disks of this machine, and what is mounted there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from mmap import mmap
from typing import BinaryIO
from uuid import uuid4

from .store import Found

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalStore:
    """Files below a folder: parents are made as needed."""

    requests_at_once = 8  # a disk has little use for them; a mounted share has
    names_per_removal = 100
    weakness: str | None = None

    def find(self, path: str) -> Found | None:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Found(path, status.st_size, status.st_mtime, _etag(status))

    def listing(self, prefix: str) -> Iterator[Found]:
        for folder, _, names in os.walk(prefix, onerror=_raise_unless_gone):
            for name in sorted(names):
                if file := self.find(os.path.join(folder, name)):
                    yield file

    def open(self, path: str) -> BinaryIO:
        """Not a pipe, that nobody may ever write to, and not a device, that may never end."""
        return open(path, "rb", opener=_open_file)

    def read_first(self, path: str, most: int) -> tuple[bytes, str]:
        with self.open(path) as file:
            etag = _etag(os.fstat(file.fileno()))
            return file.read(most), etag

    def open_new(self, path: str) -> BinaryIO:
        _make_parent(path)
        return open(path, "wb")

    def read(self, path: str) -> bytes | None:
        with suppress(FileNotFoundError), self.open(path) as file:
            return file.read() or None  # an empty one was claimed by `_create_without_links`
        return None

    def put(self, path: str, data: bytes) -> None:
        with _finished_beside(path, data) as temporary:
            os.replace(temporary, path)

    def create(self, path: str, data: bytes | mmap) -> bool:
        with _finished_beside(path, data) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _create_without_links(temporary, path)
        return True

    def move(self, source: str, target: str) -> None:
        _make_parent(target)
        try:
            os.replace(source, target)
        except FileNotFoundError:
            if not os.path.exists(target):
                raise

    def remove(self, paths: list[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _etag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"


def _open_file(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        raise PermissionError(errno.EACCES, "It is a pipe or a device, and no file", path)
    return descriptor


def _create_without_links(temporary: str, path: str) -> bool:
    """An empty file claims the name; whoever claimed it, and nobody else, puts the finished one in its place."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    try:
        os.replace(temporary, path)
    except OSError:
        os.unlink(path)
        raise
    return True


@contextmanager
def _finished_beside(path: str, data: bytes | mmap) -> Iterator[str]:
    """A finished file of another name in the same folder; it is gone afterwards, under that name."""
    _make_parent(path)
    temporary = os.path.join(os.path.dirname(path), f".{uuid4().hex}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _make_parent(path: str) -> None:
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
