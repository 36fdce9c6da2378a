"""Lanes: the resources as this process sees them, shared by all who call them, and what they hold together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Protocol

from .admission import Admission
from .byte_budget import ByteBudget
from .client import Client
from .copies import Copies
from .gate import Gate
from .request import AnalyzeRequest
from .resource import Resource
from .settings import CallSettings


class Permit(Protocol):
    """Leave to call a resource, shared with other processes."""

    def may_call(self) -> bool: ...

    def want(self) -> None: ...

    def close(self) -> None: ...


class Unshared:
    """Leave to call a resource that nobody else is known to call."""

    def may_call(self) -> bool:
        return True

    def want(self) -> None:
        pass

    def close(self) -> None:
        pass


class Lane:
    """One resource: where its calls wait, and their connections.

    Args:
      gate: of the resource.
    """

    def __init__(self, resource: Resource, gate: Gate) -> None:
        self.resource, self.gate = resource, gate
        self.permit: Permit = Unshared()
        self._clients: dict[tuple[AnalyzeRequest, CallSettings], Client] = {}
        self._lock = threading.Lock()

    def client(self, request: AnalyzeRequest, settings: CallSettings) -> Client:
        """The client of a request; who asks the same gets the same connections."""
        with self._lock:
            if (request, settings) not in self._clients:
                connections = settings.max_in_flight
                self._clients[request, settings] = Client(
                    self.resource.endpoint, request, settings.timeouts, connections
                )
            return self._clients[request, settings]

    def close(self) -> None:
        """Closes the connections as they fall free, and gives leave back."""
        self.permit.close()
        for client in self._clients.values():
            client.close()


class Lanes:
    """The lanes that any call may take, the threads of the calls, the bytes that they hold, and what these came to.

    Args:
      settings: window (of each lane), bytes and patience are the lanes'.
    """

    def __init__(self, resources: Sequence[Resource], settings: CallSettings) -> None:
        self.lanes = [Lane(resource, _gate(resource, settings)) for resource in resources]
        self.admission = Admission([lane.gate for lane in self.lanes])
        self.budget, self.copies = ByteBudget(settings.max_bytes_in_flight), Copies()
        # Twice the windows: some threads read images or pause between attempts while the windows are full.
        self.threads = 2 * settings.max_in_flight * len(self.lanes)
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="analyze")

    def want(self) -> None:
        """There is something to call."""
        for lane in self.lanes:
            lane.permit.want()

    def lower_rates(self, resources: Sequence[Resource]) -> None:
        """Others who call the same resources give these rates; the lowest holds."""
        for lane, resource in zip(self.lanes, resources, strict=True):
            if resource.process_share and not resource.requests_per_second:
                self.admission.lower_rate(lane.gate, resource.process_share)

    def close(self) -> None:
        """Drops the calls that have not started."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for lane in self.lanes:
            lane.close()


def _gate(resource: Resource, settings: CallSettings) -> Gate:
    rate = resource.process_share or resource.requests_per_second
    return Gate(resource.endpoint, settings.max_in_flight, rate, settings.outage_patience, monotonic())


Key = tuple[tuple[str, str | None], ...]


class Registry:
    """The lanes of a process: there as long as somebody uses them, whoever that is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[Key, Lanes] = {}
        self._users: dict[Key, int] = {}

    def acquire(
        self,
        resources: Sequence[Resource],
        settings: CallSettings,
        shared_in: Sequence[str | None],
        join: Callable[[Lanes, Lane, str], Permit],
    ) -> Lanes:
        """The lanes of these resources, to be released. The first user's settings hold, of several rates the lowest.

        Args:
          shared_in: the folder of each in which the processes know of each other, if they do.
          join: makes this process one of them.
        """
        key = tuple((resource.endpoint, folder) for resource, folder in zip(resources, shared_in, strict=True))
        with self._lock:
            if key not in self._lanes:
                self._lanes[key] = _joined(Lanes(resources, settings), shared_in, join)
            self._users[key] = self._users.get(key, 0) + 1
            self._lanes[key].lower_rates(resources)
            return self._lanes[key]

    def release(self, lanes: Lanes) -> None:
        """One user less; the last one closes the lanes, so that who comes after it starts afresh."""
        with self._lock:
            key = next(key for key, found in self._lanes.items() if found is lanes)
            self._users[key] -= 1
            if self._users[key]:
                return
            del self._users[key], self._lanes[key]
        lanes.close()


def _joined(lanes: Lanes, folders: Sequence[str | None], join: Callable[[Lanes, Lane, str], Permit]) -> Lanes:
    try:
        for lane, folder in zip(lanes.lanes, folders, strict=True):
            if folder is not None:
                lane.permit = join(lanes, lane, folder)
    except BaseException:
        lanes.close()
        raise
    return lanes


LANES = Registry()
os.register_at_fork(after_in_child=partial(Registry.__init__, LANES))  # threads and connections are the parent's
