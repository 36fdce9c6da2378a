"""Ctrl-C and SIGTERM: the first one ends a command within seconds, in good order if it can be; the second one at once.

Both signals are blocked in every thread but one, which waits for them. So they are heard whatever the main thread is
doing, also in the middle of an import or of C code; nothing is interrupted at a place that nobody thought of; and the
processes that are started, which inherit what is blocked, are not torn down by a Ctrl-C in the terminal, which goes to
all of them: they are told to stop by the one that started them. This module is imported before anything slow is.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

STOPPED = 3  # the exit code
PATIENCE = 10.0  # seconds for the calls in flight to end, and for what has come in to be written
_TO_END = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _say_stopped() -> int:
    print("image-analysis-beam: stopped", file=sys.stderr, flush=True)
    return STOPPED


class Phase(NamedTuple):
    """What a signal does now.

    Args:
      begin: begins to stop in good order; False where there is nothing to wait for.
      end: says the last line, and returns what the process ends with after it; if it hangs, that is `STOPPED`.
    """

    begin: Callable[[], bool] = lambda: False
    end: Callable[[], int] = _say_stopped


class Signals:
    """The signals of this process, while `taken`."""

    def __init__(self) -> None:
        self._phase = Phase()
        self._thread: threading.Thread | None = None
        self._is_over = self._stays = False
        self.have_come = False
        self.tidy: Callable[[], None] = lambda: None  # what is left to be done at the very end

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Takes them from here on; what they do is the phase's."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._is_over = self._stays = self.have_come = False
        usual = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            if not self._stays:
                self._is_over = True
                signal.pthread_kill(self._thread.ident or 0, signal.SIGTERM)
                self._thread.join()
                self._thread = None
                signal.pthread_sigmask(signal.SIG_SETMASK, usual)

    def stay(self, code: int) -> int:
        """They stay taken, the process being about to end: a late one ends it, with the code that it has earned."""
        self._phase, self._stays = Phase(end=lambda: code), True
        return code

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """What they do meanwhile."""
        before, self._phase = self._phase, phase
        try:
            yield
        finally:
            self._phase = before

    def _wait(self) -> None:
        signal.sigwait(_SIGNALS)
        if self._is_over:
            return
        self.have_come = True
        if self._phase.begin():
            timer = threading.Timer(PATIENCE, self._end)
            timer.daemon = True
            timer.start()
            signal.sigwait(_SIGNALS)
            timer.cancel()
            if self._is_over:
                return
        self._end()

    def _end(self) -> None:
        code = STOPPED
        with suppress(RuntimeError):  # no thread starts any more while the interpreter ends
            threading.Timer(_TO_END, os._exit, [code]).start()
        with suppress(Exception):
            code = self._phase.end()
        with suppress(Exception):
            self.tidy()
        os._exit(code)


SIGNALS = Signals()
