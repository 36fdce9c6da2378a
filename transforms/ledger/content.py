"""What an answer was given to, and whether that is still there: by a look at the store, which costs no call."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from ..files.schemes import scheme_of
from ..files.store import Found, store_of


class Content(NamedTuple):
    """What is known of the bytes that an answer was given to, as `images` has it."""

    etag: str | None
    size: int | None
    sha256: str | None

    @property
    def is_known(self) -> bool:
        """Whether anything is: of an image that was sent by URL, or by an early version, nothing is."""
        return self.etag is not None or self.size is not None

    def is_that_of(self, found: Found) -> bool:
        """Whether a file still has this content.

        An object of a store was written again if its etag is another. A local file may only have been touched: its
        content is read then. Where there is no etag to compare, another size tells.
        """
        if self.etag is not None and self.etag == found.etag:
            return True
        if self.size is not None and self.size != found.size_in_bytes:
            return False
        if self.sha256 is not None and scheme_of(found.path) is None:
            return self.sha256 == _sha256(found.path)
        return self.etag is None or found.etag is None


def changed(path: str, contents: Mapping[Content, int], listed_etag: str = "") -> int | None:
    """The bits of the contents that a file has no more; None where it cannot be looked at.

    It need not be looked at where a listing told its etag, and those of the contents are known.
    """
    if listed_etag and all(content.etag for content in contents):
        return sum(bits for content, bits in contents.items() if content.etag != listed_etag)
    try:
        found = store_of(path).find(path)
        if found is None:
            return None
        return sum(bits for content, bits in contents.items() if not content.is_that_of(found))
    except Exception:  # every store has exceptions of its own
        return None


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
