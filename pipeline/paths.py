"""Paths of the command line, checked before anything is done: what they lie on, and whether it can be used."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from ..schemas import TABLES
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.files.gcs_access import gcs_obstacle
from ..transforms.files.schemes import scheme_of
from .failures import fix_of, storage_failure

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

# scheme: the module that it takes, and what installs it
_STORES = {
    "gs": ("google.cloud.storage", "image-analysis-beam"),
    "s3": ("boto3", "image-analysis-beam[aws]"),
    "azfs": ("azure.storage.blob", "image-analysis-beam[azure]"),
    "hdfs": ("hdfs", "apache-beam[hadoop]"),
}


def output_folder(given: str | None, flag: str = "output", options: PipelineOptions | None = None) -> str:
    """The folder that a flag names, without slashes at its end.

    Raises:
      ConfigurationError: it is none, or cannot be one.
    """
    if not given:
        raise ConfigurationError(f"no {flag}", "the tables need a folder", f"set --{flag}")
    folder = given.rstrip("/")
    if not folder:
        raise ConfigurationError(f"{flag} {given!r}", "it is the root of this machine", "name a folder below it")
    if folder.endswith(":"):
        raise ConfigurationError(f"{flag} {given!r}", "it names no bucket", f"name one, as {folder}//BUCKET/tables")
    if check_store(given, flag, options) is None and os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigurationError(f"{flag} {given!r}", "it is a file", "name a folder")
    return folder


@contextmanager
def can_be_used(output: str) -> Iterator[None]:
    """What goes wrong in it, at the start, is the output's.

    Raises:
      ConfigurationError: files in it cannot be listed, read or written.
    """
    try:
        _check_folders(output)
        yield
    except OSError as error:
        what = storage_failure(error) or ""
        raise ConfigurationError(f"output {output!r}", f"it cannot be used ({what})", fix_of(what)) from None


def _check_folders(output: str) -> None:
    """Of a disk: what a run writes to at its end is looked at before its first call."""
    for name in ("journal", "staging", *TABLES) if scheme_of(output) is None else ():
        path = os.path.join(output, name)
        if os.path.lexists(path) and not os.access(os.path.join(path, "."), os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "It is no folder that may be written to", path)


def check_store(path: str, flag: str, options: PipelineOptions | None = None) -> str | None:
    """The scheme of a path whose file system can be used from here; None for a local one.

    Raises:
      ConfigurationError: it is not known, not installed, or there are no credentials.
    """
    scheme = scheme_of(path)
    if scheme is None:
        return None
    value = f"{flag} {path!r}"
    if scheme not in _STORES:
        known = ", ".join(f"{name}://" for name in _STORES)
        fix = f"use {path.removeprefix('file://')}" if scheme == "file" else "correct it"
        raise ConfigurationError(value, f"it is a local path, or begins with one of {known}", fix)
    module, package = _STORES[scheme]
    try:
        import_module(module)
    except ImportError:
        fix = f"run: pip install '{package}'"
        raise ConfigurationError(value, f"{scheme}:// takes a package that is not installed", fix) from None
    against = gcs_obstacle() if scheme == "gs" else None
    if scheme == "azfs":
        from apache_beam.options.pipeline_options import PipelineOptions

        from ..transforms.files.azure_access import azure_obstacle

        against = azure_obstacle(path, options or PipelineOptions([]))
    if against:
        raise ConfigurationError(value, *against)
    return scheme
