"""A secret that expires, shared by all threads of a process: fetched by one of them, kept while it is good."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

FAILURE_SECONDS = 0.5  # how long a failure is everybody's, where its sender asked for no longer wait
SAME_SECONDS = 60.0  # how long a secret that came back the same after it was refused is not asked for again

Fetch = Callable[[], tuple[str, float]]
"""Gets a secret: its text, and for how many seconds it is good. Raises `CredentialError`."""


class CredentialError(Exception):
    """There is no secret to be had here; the message says where it was looked for and why, never the secret."""


class CredentialUnavailable(CredentialError):
    """There is none just now: who gives it is away or busy. `wait` is what they asked for, in seconds, or None."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class KeptSecret:
    """One secret. Threads that come while one of them fetches wait for it, and share what it got, also its failure.

    A pickled one is empty.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._secret: str | None = None
        self._good_until = 0.0
        self._failure: CredentialError | None = None
        self._failed_until = 0.0
        self._same_until = 0.0
        self.was_had = False

    def get(self, fetch: Fetch) -> str:
        """The secret, fetched where there is none that is good.

        Raises:
          CredentialError: as `fetch` raises it.
        """
        with self._lock:
            if self._secret is None or self._clock() >= self._good_until:
                return self._renewed(fetch)
            return self._secret

    def has_another(self, refused: str, fetch: Fetch) -> bool:
        """Whether there is something else to try than the secret that was refused; looks, where it is the newest."""
        with self._lock:
            if self._secret != refused:
                return True
            if self._clock() < self._same_until:
                return False
            self._secret = None
            try:
                if self._renewed(fetch) != refused:
                    return True
            except CredentialError:
                return True  # whoever asks for the secret next is told why there is none
            self._same_until = self._clock() + SAME_SECONDS
            return False

    def _renewed(self, fetch: Fetch) -> str:
        left = self._failed_until - self._clock()
        if self._failure is not None and left > 0:
            raise _again(self._failure, left)
        try:
            self._secret, seconds = fetch()
        except CredentialError as error:
            wait = getattr(error, "wait", None) or FAILURE_SECONDS
            self._failure, self._failed_until = _again(error, wait), self._clock() + wait
            raise
        self._good_until, self._same_until, self.was_had = self._clock() + seconds, 0.0, True
        return self._secret

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptSecret, ()


def _again(error: CredentialError, left: float) -> CredentialError:
    """The same failure for another thread: with a traceback of its own."""
    return (
        CredentialUnavailable(str(error), left)
        if isinstance(error, CredentialUnavailable)
        else type(error)(*error.args)
    )
