"""Azure Blob Storage, `azfs://account/container/name`, by Microsoft's client and the connection that Beam is given.

That is `AZURE_STORAGE_CONNECTION_STRING` or `--azure_connection_string`, or `--blob_service_endpoint` with the identity
that `DefaultAzureCredential` finds. It is one account: Beam does not look at the account in the path, so it is checked.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any, BinaryIO

import requests
from apache_beam.io.azure.blobstorageio import BlobStorageIO, parse_azfs_path
from apache_beam.options.pipeline_options import PipelineOptions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobClient, BlobProperties, BlobServiceClient
from requests.adapters import HTTPAdapter

from .store import Found, io_errors, opened

_REMOVED, _COPY_PAUSE = (202, 404), 0.5
_NO_SUCH_RANGE = 416
_QUERY = re.compile(r"\?[^\s\"'()]*")


class AzureStore:
    """Blobs of one account."""

    requests_at_once = 50
    names_per_removal = 256  # what a batch request of the service holds
    weakness: str | None = None

    def __init__(self, options: PipelineOptions, pause: Callable[[float], None] = time.sleep) -> None:
        self._client, self._pause = _client(options, self.requests_at_once), pause
        self._io = BlobStorageIO(client=self._client)

    def find(self, path: str) -> Found | None:
        with io_errors("Find operation", path, AzureError):
            try:
                found = self._blob(path).get_blob_properties()
            except ResourceNotFoundError:
                return None
        return _found(path, found)

    def listing(self, prefix: str) -> Iterator[Found]:
        """An account with folders of its own lists them too, marked by metadata."""
        container, start = self._split(prefix)
        root = prefix.removesuffix(start)
        with io_errors("List operation", prefix, AzureError):
            listed = self._client.get_container_client(container).list_blobs(start or None, include=["metadata"])
            for found in listed:
                if (found.metadata or {}).get("hdi_isfolder") != "true":
                    yield _found(root + found.name, found)

    def open(self, path: str) -> BinaryIO:
        return self._opened(path, "rb")

    def read_first(self, path: str, most: int) -> tuple[bytes, str | None]:
        with io_errors("Read operation", path, AzureError):
            try:
                found = self._blob(path).download_blob(offset=0, length=most)
            except ResourceNotFoundError as error:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
            except HttpResponseError as error:
                if error.status_code == _NO_SUCH_RANGE:
                    return b"", None  # it is empty
                raise
            return found.readall(), _etag(found.properties)

    def open_new(self, path: str) -> BinaryIO:
        return self._opened(path, "wb")

    def read(self, path: str) -> bytes | None:
        with io_errors("Read operation", path, AzureError):
            try:
                return self._blob(path).download_blob().readall()
            except ResourceNotFoundError:
                return None

    def put(self, path: str, data: bytes) -> None:
        with io_errors("Write operation", path, AzureError):
            self._blob(path).upload_blob(data, overwrite=True)

    def create(self, path: str, data: bytes) -> bool:
        with io_errors("Create operation", path, AzureError):
            try:
                self._blob(path).upload_blob(data, overwrite=False)  # If-None-Match: *
            except ResourceExistsError:
                return False
        return True

    def move(self, source: str, target: str) -> None:
        """The source goes by its URL at the account's own endpoint: Beam makes one up, and quotes nothing in it."""
        given, wanted = self._blob(source), self._blob(target)
        with io_errors("Rename operation", source, AzureError):
            try:
                self._finish_copy(wanted, wanted.start_copy_from_url(given.url)["copy_status"])
            except ResourceNotFoundError:
                if self.find(target) is None:
                    raise
        self.remove([source])

    def _finish_copy(self, target: BlobClient, status: str | None) -> None:
        """A copy may go on after the answer to its request; without its source it would fail."""
        while status == "pending":
            self._pause(_COPY_PAUSE)
            status = target.get_blob_properties().copy.status
        if status != "success":
            raise AzureError(f"the copy ended as {status}")

    def remove(self, paths: list[str]) -> None:
        """In a batch where that works; it does not with every kind of account and signature."""
        for container, found in groupby(sorted(map(self._split, paths)), key=lambda name: name[0]):
            left = self._remove_batch(container, [name for _, name in found])
            with io_errors("Delete operation", paths[0], AzureError):
                for name in left:
                    with suppress(ResourceNotFoundError):
                        self._client.get_blob_client(container, name).delete_blob()

    def _remove_batch(self, container: str, names: list[str]) -> list[str]:
        """Removes what it can; returns what may be left."""
        if len(names) == 1:
            return names
        client = self._client.get_container_client(container)
        try:
            answers = list(client.delete_blobs(*names, raise_on_any_failure=False, retry_total=0))
        except AzureError:
            return names
        statuses = (answer.status_code for answer in answers)
        return [name for name, status in zip(names, statuses, strict=True) if status not in _REMOVED]

    def _opened(self, path: str, mode: str) -> BinaryIO:
        self._split(path)
        return opened(lambda: self._io.open(path, mode), path, AzureError)

    def _blob(self, path: str) -> BlobClient:
        return self._client.get_blob_client(*self._split(path))

    def _split(self, path: str) -> tuple[str, str]:
        account, container, name = parse_azfs_path(path, blob_optional=True, get_account=True)
        if self._client.account_name not in (account, None):
            raise OSError(f"the connection is to the storage account {self._client.account_name}, not to {account}")
        return container, name


def _found(path: str, blob: BlobProperties) -> Found:
    return Found(path, blob.size, blob.last_modified.timestamp(), _etag(blob))


def _etag(blob: BlobProperties) -> str | None:
    """Without its quotes: a listing has none."""
    return blob.etag and blob.etag.strip('"')


def _client(options: PipelineOptions, connections: int) -> BlobServiceClient:
    """Beam's, with more connections (it drops all but 10 by itself) and shorter pauses (15 s before a second try)."""
    beams = BlobStorageIO(pipeline_options=options).client
    transport = RequestsTransport(session=session_of(connections), session_owner=False)
    pauses = {"retry_total": 6, "initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}
    return BlobServiceClient(beams.url, beams.credential, transport=transport, **pauses)


def session_of(connections: int) -> requests.Session:
    """Keeps so many connections; its errors do not show the signature that the connection's URLs may have."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_maxsize=connections))
    return session


class _Adapter(HTTPAdapter):
    def send(self, *args: Any, **settings: Any) -> requests.Response:
        try:
            return super().send(*args, **settings)
        except requests.RequestException as error:
            _hide_queries(error)
            raise


def _hide_queries(error: BaseException) -> None:
    """Of the URLs that it quotes, also in the exceptions that it is made of."""
    for cause in error.args:
        if isinstance(cause, BaseException):
            _hide_queries(cause)
    error.args = tuple(_QUERY.sub("?…", text) if isinstance(text, str) else text for text in error.args)
