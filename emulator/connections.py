"""The connections that calls come on: counted, and closed on order once they are idle."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary, WeakSet


class Connections:
    """For the server's event loop only. `opened` and `closed_idle` count since the last `reset`."""

    def __init__(self) -> None:
        self._seen: WeakSet[asyncio.Transport] = WeakSet()
        self._timers: WeakKeyDictionary[asyncio.Transport, asyncio.TimerHandle] = WeakKeyDictionary()
        self.reset()

    def reset(self) -> None:
        self.opened = self.closed_idle = 0
        self._seen.clear()

    def busy(self, connection: asyncio.Transport) -> None:
        """A call came on it."""
        if connection not in self._seen:
            self._seen.add(connection)
            self.opened += 1
        if timer := self._timers.pop(connection, None):
            timer.cancel()

    def idle(self, connection: asyncio.Transport, close_after: float) -> None:
        """A reply went out on it; without another call it is closed in so many seconds, without a word."""
        self._timers[connection] = asyncio.get_running_loop().call_later(close_after, self._close, connection)

    def abort(self) -> None:
        """Ends those that are left: over TLS, closing would wait for the callers to agree."""
        for connection in self._seen:
            connection.abort()

    def _close(self, connection: asyncio.Transport) -> None:
        if not connection.is_closing():
            connection.close()
            self.closed_idle += 1
