"""Ctrl-C and SIGTERM: the first one ends a command within seconds, in good order if it can be; the second one at once.

Both signals are blocked in every thread but one, which waits for them. So they are heard whatever the main thread is
doing, also in the middle of an import or of C code; nothing is interrupted at a place that nobody thought of; and the
processes that are started, which inherit what is blocked, are not torn down by a Ctrl-C in the terminal, which goes to
all of them: they are told to stop by the one that started them. This module is imported before anything slow is.

A command that is part of a program leaves its threads as they are, and ends no process: what would end it at once is
the program's own signal again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

STOPPED = 3  # the exit code
PATIENCE = 10.0  # seconds for the calls in flight to end, and for what has come in to be written
_TO_END, _AGAIN = 3.0, 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _say_stopped() -> int:
    print("image-analysis-beam: stopped; nothing is lost, run the same command again", file=sys.stderr, flush=True)
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
        self._is_over = self._stays = self._is_part = False
        self._number: int = signal.SIGINT
        self._usual: dict[int, Any] = {}  # handlers
        self.have_come = False
        self.tidy: Callable[[], None] = lambda: None  # what is left to be done at the very end

    @contextmanager
    def taken(self, is_part: bool) -> Iterator[None]:
        """Takes them from here on; what they do is the phase's.

        Args:
          is_part: of a program, which goes on afterwards.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._is_over, self._stays, self._is_part = False, False, is_part
        usual = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._may_end = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._thread.start()
        if is_part:
            self._usual = {number: signal.signal(number, self._pass_on) for number in _SIGNALS}
            signal.pthread_sigmask(signal.SIG_SETMASK, usual)
        try:
            yield
        finally:
            if not self._stays:
                self._is_over = True
                self.give_back()
                signal.pthread_kill(self._thread.ident or 0, signal.SIGTERM)
                self._may_end.set()
                self._thread.join()
                self._thread, self.have_come = None, False
                signal.pthread_sigmask(signal.SIG_SETMASK, usual)

    def stay(self, code: int) -> int:
        """They stay taken, the process being about to end: a late one ends it, with the code that it has earned."""
        self._phase, self._stays = Phase(end=lambda: code), True
        return code

    def give_back(self) -> None:
        """The handlers are the program's again."""
        usual, self._usual = self._usual, {}
        for number, handler in usual.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def _pass_on(self, number: int, _: object) -> None:
        """On the main thread."""
        if self._thread is not None and not self._is_over:
            signal.pthread_kill(self._thread.ident or 0, number)
        else:
            self.give_back()
            signal.raise_signal(number)

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """What they do meanwhile."""
        before, self._phase = self._phase, phase
        try:
            yield
        finally:
            self._phase = before

    def _wait(self) -> None:
        self._number = signal.sigwait(_SIGNALS)
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
        self._may_end.wait()  # until then it can be sent a signal

    def _end(self) -> None:
        if self._is_part:
            self._is_over = True
            while self._usual:  # one that comes just before the main thread begins to wait is not heard there
                signal.pthread_kill(threading.main_thread().ident or 0, self._number)
                self._may_end.wait(_AGAIN)
            return
        code = STOPPED
        with suppress(RuntimeError):  # no thread starts any more while the interpreter ends
            threading.Timer(_TO_END, os._exit, [code]).start()
        with suppress(Exception):
            code = self._phase.end()
        with suppress(Exception):
            self.tidy()
        os._exit(code)


SIGNALS = Signals()
os.register_at_fork(after_in_child=SIGNALS.give_back)
