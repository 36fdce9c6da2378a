"""The owner of a run that is another process than this one, and alive."""

from __future__ import annotations

import os
from typing import Any

from image_analysis_beam.transforms.ledger import liveness


def other_process() -> dict[str, Any]:
    """The one that started this one, as the log names it."""
    number = os.getppid()
    return liveness.this_process() | {"pid": number, "process_started": liveness._process_started(number)}
