"""Windows and timestamps: what a bundle holds back is emitted in the window that it came in."""

from __future__ import annotations

from typing import Any

from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue


def windowed(value: Any, window: Any, timestamp: Timestamp | None = None) -> Any:
    """A value, tagged or not, in a window; at the window's end where no timestamp is given."""
    if isinstance(value, TaggedOutput):
        return TaggedOutput(value.tag, windowed(value.value, window, timestamp))
    return WindowedValue(value, window.max_timestamp() if timestamp is None else timestamp, (window,))


def at_end_of_bundle(value: Any) -> Any:
    """What `finish_bundle` has to emit a value as, tagged or not, where all is in the global window."""
    return windowed(value, GlobalWindow())
