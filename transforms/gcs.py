"""Google Cloud Storage beyond Beam's file system: listings that stream, and emulators that ask for no credentials.

Beam's own listing keeps every name until the last is found. And without credentials Beam looks for some for 25 s in
every process, although no emulator wants any.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from apache_beam.internal.gcp import auth
from apache_beam.io.filesystem import BeamIOError, FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.gcp.gcsio import parse_gcs_path
from google.api_core.exceptions import GoogleAPIError

EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
_FIELDS = "items(name,size,updated),nextPageToken"
_WILDCARD = re.compile(r"[\[*?]")


def go_anonymous_with_an_emulator() -> None:
    """Where an emulator is set, tells Beam that the search for credentials has ended with none."""
    if os.environ.get(EMULATOR_VARIABLE):
        auth._Credentials._credentials_init = True


def iterate_objects(pattern: str) -> Iterator[FileMetadata]:
    """The objects that match a `gs://` pattern; one page of the listing is held at a time.

    Raises:
      BeamIOError: the bucket cannot be listed.
    """
    file_system = FileSystems.get_filesystem(pattern)
    prefix = _WILDCARD.split(pattern, maxsplit=1)[0]
    yield from file_system.match_files(_list(file_system, prefix), pattern)


def _list(file_system: object, prefix: str) -> Iterator[FileMetadata]:
    bucket, start = parse_gcs_path(prefix, object_optional=True)
    client = file_system._gcsIO().client  # type: ignore[attr-defined]
    try:
        for found in client.list_blobs(bucket, prefix=start, fields=_FIELDS):
            yield FileMetadata(f"gs://{bucket}/{found.name}", found.size, found.updated.timestamp())
    except GoogleAPIError as error:
        raise BeamIOError("List operation failed", {prefix: error}) from error
