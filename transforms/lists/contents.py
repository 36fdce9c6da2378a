"""What a list says: rows of the table `inputs`, and a digest by which a content that was written before is known."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import BinaryIO

from ...schemas.outcomes import InputReference
from ..endpoint.redaction import redact
from ..endpoint.uri import ImageRef, InvalidUri, canonical, check, former_image_id
from ..files.storage import open_bytes
from .files import ListFile, unreadable

_READING = "v1"  # changes when the same content would give other rows
_CHUNK = 1024 * 1024


def list_digest(file: ListFile, column: str) -> str:
    """The digest of a list's bytes, and of all else that its rows depend on.

    Raises:
      ConfigurationError: it cannot be read.
    """
    digest = _begun(file.name, column)
    try:
        with open_bytes(file.path) as stream:
            _add(digest, stream)
    except Exception as error:
        raise unreadable(file, "it cannot be read", error) from error
    return digest.hexdigest()


def files_digest(pattern: str, images: Iterable[ImageRef]) -> str:
    """The digest of the files that a pattern matches, in whatever order they are listed."""
    total = 0
    for image in images:
        named = hashlib.blake2b(image.image_id.encode(), digest_size=16).digest()
        total = (total + int.from_bytes(named, "big")) % (1 << 128)
    digest = _begun(pattern, "")
    digest.update(total.to_bytes(16, "big"))
    return digest.hexdigest()


def input_reference(image: ImageRef, run_id: str) -> InputReference:
    """The row of one line, row or file."""
    place = image.listed_in, image.position
    if image.fault:
        return InputReference(*place, None, None, None, image.image_uri, image.fault, image.image_id, None, run_id)
    try:
        mistake, path = None, redact(canonical(image.uri)) if check(image.uri) == "file" else None
    except InvalidUri as error:
        mistake, path = str(error), None
    former = former_image_id(image.uri)
    return InputReference(*place, image.image_uri, image.image_id, path, None, mistake, None, former, run_id)


def _begun(name: str, column: str) -> hashlib.blake2b:
    """Relative paths in a list are other images in another working folder."""
    parts = (_READING, name, column, os.getcwd())
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16)


def _add(digest: hashlib.blake2b, stream: BinaryIO) -> None:
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
