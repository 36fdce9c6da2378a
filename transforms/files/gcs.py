"""Google Cloud Storage, through the client that Beam makes with the credentials that Beam finds."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.gcp.gcsio import GcsIO, parse_gcs_path
from apache_beam.options.pipeline_options import PipelineOptions
from google.api_core.exceptions import (
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Blob
from google.cloud.storage.retry import DEFAULT_RETRY
from google.resumable_media import InvalidResponse
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from .gcs_access import gcs_obstacle, go_anonymous_with_an_emulator
from .store import Found, io_errors, opened

_FIELDS = "items(name,size,updated,generation),nextPageToken"
_ERRORS = (GoogleAPIError, GoogleAuthError, InvalidResponse, RequestException)


class GcsStore:
    """Objects of `gs://bucket/name`.

    Raises:
      PermissionError: there are no credentials.
    """

    requests_at_once = 50
    names_per_removal = 100  # what a batch request of the service holds
    weakness: str | None = None

    def __init__(self, options: PipelineOptions) -> None:
        go_anonymous_with_an_emulator()
        if against := gcs_obstacle():
            raise PermissionError("; ".join(against))
        self._io = GcsIO(pipeline_options=options)
        self._client = self._io.client
        for scheme in ("http://", "https://"):  # requests keeps 10 connections and drops the others
            self._client._http.mount(scheme, HTTPAdapter(pool_maxsize=self.requests_at_once))

    def find(self, path: str) -> Found | None:
        bucket, name = parse_gcs_path(path)
        with io_errors("Find operation", path, *_ERRORS):
            found = self._client.bucket(bucket).get_blob(name)
        return _metadata(bucket, found) if found else None

    def listing(self, prefix: str) -> Iterator[Found]:
        bucket, start = parse_gcs_path(prefix, object_optional=True)
        with io_errors("List operation", prefix, *_ERRORS):
            for found in self._client.list_blobs(bucket, prefix=start, fields=_FIELDS):
                yield _metadata(bucket, found)

    def open(self, path: str) -> BinaryIO:
        def existing() -> Any:
            try:
                return self._io.open(path, "rb")
            except NotFound as error:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error

        return opened(existing, path, *_ERRORS)

    def read_first(self, path: str, most: int) -> tuple[bytes, str | None]:
        blob = self._blob(path)
        with io_errors("Read operation", path, *_ERRORS):
            try:
                return blob.download_as_bytes(end=most - 1), _generation(blob)
            except RequestRangeNotSatisfiable:  # it is empty
                return b"", None
            except NotFound as error:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error

    def open_new(self, path: str) -> BinaryIO:
        return opened(lambda: self._io.open(path, "wb"), path, *_ERRORS)

    def read(self, path: str) -> bytes | None:
        with io_errors("Read operation", path, *_ERRORS), suppress(NotFound):
            return self._blob(path).download_as_bytes()
        return None

    def put(self, path: str, data: bytes) -> None:
        with io_errors("Write operation", path, *_ERRORS):
            self._blob(path).upload_from_string(data, "application/octet-stream", retry=DEFAULT_RETRY)

    def create(self, path: str, data: bytes) -> bool:
        with io_errors("Create operation", path, *_ERRORS), suppress(PreconditionFailed):
            self._blob(path).upload_from_string(
                data, "application/octet-stream", if_generation_match=0, retry=DEFAULT_RETRY
            )
            return True
        return False

    def move(self, source: str, target: str) -> None:
        (bucket, name), blob = parse_gcs_path(target), self._blob(source)
        with io_errors("Rename operation", source, *_ERRORS):
            try:
                blob.bucket.copy_blob(blob, self._client.bucket(bucket), name, retry=DEFAULT_RETRY)
            except NotFound:
                if self.find(target) is None:
                    raise
        self.remove([source])

    def remove(self, paths: list[str]) -> None:
        if len(paths) == 1:
            with io_errors("Delete operation", paths[0], *_ERRORS), suppress(NotFound):
                self._blob(paths[0]).delete(retry=DEFAULT_RETRY)
            return
        with io_errors("Delete operation", paths[0], *_ERRORS):
            failed = {path: status for path, status in self._io.delete_batch(paths) if status}
        if failed:
            raise BeamIOError("Delete operation failed", failed)

    def _blob(self, path: str) -> Blob:
        bucket, name = parse_gcs_path(path)
        return self._client.bucket(bucket).blob(name)


def _metadata(bucket: str, blob: Blob) -> Found:
    return Found(f"gs://{bucket}/{blob.name}", blob.size, blob.updated.timestamp(), _generation(blob))


def _generation(blob: Blob) -> str | None:
    return None if blob.generation is None else str(blob.generation)
