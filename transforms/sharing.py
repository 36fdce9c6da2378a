"""Makes this process one of those that share a resource: a lease for a lane."""

from __future__ import annotations

from .endpoint.lane import Lane, Lanes
from .endpoint.resource import Resource
from .files.patience import patience_with
from .files.storage import join
from .fleet.board import FolderBoard
from .fleet.lease import Lease
from .fleet.shares import Share
from .ledger.layout import Layout
from .ledger.liveness import beat_seconds


class _Holder:
    """A lane that calls by a lease."""

    def __init__(self, lanes: Lanes, lane: Lane) -> None:
        self._admission, self._gate = lanes.admission, lane.gate

    def has_work(self) -> bool:
        return self._admission.has_work and not self._gate.is_closed

    def is_well(self) -> bool:
        return self._gate.is_well

    def take_share(self, share: Share) -> None:
        self._admission.share(self._gate, share.rate, share.members, share.rank, share.others_are_well)


def join_fleet(lanes: Lanes, lane: Lane, folder: str) -> Lease:
    """A lease for the lane in the folder, which beats.

    Raises:
      OSError: it cannot be written.
    """
    resource = lane.resource
    at_start = None if resource.share else resource.process_share
    rate, beat = resource.requests_per_second, beat_seconds(folder)
    lease = Lease(FolderBoard(folder), rate, at_start, beat, _Holder(lanes, lane), patience=patience_with(folder))
    lease.start()
    return lease


def shared_in(resource: Resource, output: str | None, run_id: str) -> str | None:
    """The folder in which the processes that share a resource know of each other; None where they do not."""
    if resource.share is not None or output is None:
        return resource.share
    return join(Layout(output).lanes(run_id), resource.endpoint.rpartition("/")[2])
