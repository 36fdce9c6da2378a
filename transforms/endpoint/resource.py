"""`Resource`: one Azure AI Vision resource, who we are there, and what may be called."""

from __future__ import annotations

from dataclasses import dataclass, field

from .credentials import Credential, EnvironmentKey


@dataclass(frozen=True)
class Resource:
    """A resource that may be called.

    Args:
      endpoint: its URL, as `check_endpoint` returns it.
      credential: who we are there.
      requests_per_second: calls of all who share the resource together, where they know of each other; else None.
      process_share: calls of one process per second, at the start of a job, or for good where processes do not know of
        each other; None where that is unknown.
      share: folder in which the processes of several jobs know of each other; None where only those of this job do.
    """

    endpoint: str
    credential: Credential = field(default_factory=EnvironmentKey)
    requests_per_second: float | None = None
    process_share: float | None = None
    share: str | None = None
