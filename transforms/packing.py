"""Many small objects as one element, which a runner in memory holds as a few bytes."""

from __future__ import annotations

import pickle
import zlib
from typing import Any


def pack(value: Any) -> bytes:
    """Many small objects as one: what a runner in memory holds between stages, it then holds as a few bytes."""
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), level=1)


def unpack(packed: bytes) -> Any:
    """What was packed."""
    return pickle.loads(zlib.decompress(packed))
