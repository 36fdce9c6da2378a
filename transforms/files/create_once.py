"""Create-once: of any number of processes that create a name, one succeeds, and everybody learns whose it is.

A reply can be lost, a request can be sent again by a client that saw none, a step can be done again. So what counts is
not the answer to a request but what is there afterwards: it is mine if it is what I wrote. For that, what is written
holds a token of its writer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

from .storage import join
from .store import store_of

_LOOKS, _PAUSE = 100, 0.05  # 5 s for a creator on a disk without links to finish


def create_or_read(path: str, data: bytes, pause: Callable[[float], None] = time.sleep) -> bytes:
    """Creates a file unless there is one; returns what is there: `data` if it was created, now or by an earlier call.

    Args:
      path: the file; it is never replaced.
      data: what nobody else writes: it holds a token. Not empty.

    Raises:
      OSError: there is nothing and it cannot be created, or what is there cannot be read. The file may be created all
        the same, by a request still on its way; the same call again tells.
    """
    store = store_of(path)
    for _ in range(_LOOKS):
        failure = None
        try:
            if store.create(path, data):
                return data
        except OSError as error:
            failure = error
        found = store.read(path)
        if found is not None:
            return found
        if failure:
            raise failure
        pause(_PAUSE)
    raise OSError(f"{path} was claimed by somebody who does not finish it; if no process does, remove it")


def create_once(path: str, data: bytes) -> bool:
    """Whether the file is there with this content, by this call or an earlier one; False: it is somebody else's.

    Arguments and errors are those of `create_or_read`.
    """
    return create_or_read(path, data) == data


def read_if_there(path: str) -> bytes | None:
    """The content of a file that is created once; None where there is none yet, or its creator has not finished."""
    return store_of(path).read(path)


def weakness(folder: str) -> str | None:
    """Why two creators may both succeed in this folder, as a clause; None where that cannot be.

    It is tried: what speaks the protocol of S3 or Google's may ignore the condition. Costs three requests.
    """
    store = store_of(folder)
    if store.weakness:
        return store.weakness
    probe = join(folder, f".{uuid4().hex}.probe")
    try:
        if store.create(probe, b"first") and store.create(probe, b"second"):
            return "the store overwrites a file that was to be created only if there is none"
    finally:
        store.remove([probe])
    return None
