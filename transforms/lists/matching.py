"""Which files a pattern means: lists, image files, or the images in a folder."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Callable, Iterator

from ..endpoint.errors import ConfigurationError
from ..endpoint.uri import ImageRef
from ..files.schemes import scheme_of
from ..files.storage import iterate_files
from ..files.store import Found
from .columns import is_named_like_an_image
from .files import ListFile, list_format
from .references import reference, shown


def list_files(pattern: str) -> list[ListFile]:
    """The lists that a pattern matches.

    Raises:
      ConfigurationError: there is none, one is no list by its ending, or they cannot be listed.
    """
    if os.path.isdir(pattern):
        folder = os.path.join(pattern, "")
        raise ConfigurationError(
            f"input {pattern!r}", "it is a folder", f"name the lists in it: {folder}*.txt; for image files use --images"
        )
    if os.path.exists(pattern) and not os.path.isfile(pattern):
        raise ConfigurationError(f"input {pattern!r}", "it is no file", "for a pipe use --input -")
    paths = [file.path for file in _listed(pattern, _files)]
    check_found(pattern, iter(paths))
    for path in paths:
        list_format(path)
    return list(map(ListFile.at, paths))


def image_files(pattern: str) -> Iterator[ImageRef]:
    """A reference for each file that a pattern matches; of a folder, for each file in it that is named like an image.

    Raises:
      ConfigurationError: they cannot be listed.
    """
    for file in _listed(pattern, _image_files):
        yield reference(pattern, 0, file.path)._replace(etag=file.etag or "")


def check_found(pattern: str, files: Iterator[object]) -> None:
    """Whether there is anything that the pattern means.

    Raises:
      ConfigurationError: there is not.
    """
    if next(files, None) is not None:
        return
    if os.path.isdir(pattern):
        rule = "the folder holds no file that is named like an image"
    elif os.path.islink(pattern):
        rule = "it is a link that leads to no file"
    elif glob.has_magic(pattern):
        rule = "it matches no file"
    else:
        place = pattern if scheme_of(pattern) else os.path.abspath(pattern)
        rule = f"it matches no file: there is no {place}"
    raise ConfigurationError(f"input {pattern!r}", rule, "check the path and the pattern")


def _listed(pattern: str, files: Callable[[str], Iterator[Found]]) -> Iterator[Found]:
    if not pattern.isprintable():
        raise ConfigurationError(f"input {pattern!r}", "its name does not print, or is not UTF-8", "rename it")
    try:
        yield from files(pattern)
    except Exception as error:
        why = f"{type(error).__name__}: {shown(str(error))}"
        raise ConfigurationError(
            f"input {pattern!r}", f"it cannot be listed ({why})", "check the path and your rights"
        ) from error


def _files(pattern: str) -> Iterator[Found]:
    """A file of just that name, or those that match."""
    if os.path.isfile(pattern):
        yield _local(pattern)
        return
    # Beam matches nothing in the working folder unless the pattern names a folder.
    yield from iterate_files(pattern if posixpath.dirname(pattern) else f"./{pattern}")


def _image_files(pattern: str) -> Iterator[Found]:
    if os.path.isdir(pattern):
        yield from filter(_is_named_like_an_image, _files_below(pattern))
        return
    if scheme_of(pattern) is None or glob.has_magic(pattern):
        yield from _files(pattern)
        return
    found = [] if pattern.endswith("/") else list(_files(pattern))
    yield from found or filter(_is_named_like_an_image, _files(f"{pattern.rstrip('/')}/**"))


def _files_below(folder: str) -> Iterator[Found]:
    for directory, _, names in os.walk(folder, onerror=_raise):
        yield from (_local(os.path.join(directory, name)) for name in names)


def _local(path: str) -> Found:
    """A file that is not looked at yet."""
    return Found(path, 0, 0.0)


def _is_named_like_an_image(file: Found) -> bool:
    return is_named_like_an_image(file.path)


def _raise(error: OSError) -> None:
    raise error
