"""Pauses processes below one that runs, as a busy machine does: `python tests/stand_ins/pauses.py PID [SEED]`."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

BETWEEN, LONG = (0.2, 2.0), (0.2, 2.0)  # seconds


def below(pid: int) -> Iterator[int]:
    """The processes that descend from it; what a test has stopped itself is left out."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, *_ = status.read_text().rpartition(")")[2].split()
            parents.setdefault(int(parent), []).append((int(status.parent.name), state))
    todo = [pid]
    while todo:
        for child, state in parents.get(todo.pop(), []):
            todo.append(child)
            if state not in "tTZ":
                yield child


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def main(pid: int, seed: int) -> None:
    """Until the process has ended: one of those below it, a third, or all stand still for a while."""
    chosen = random.Random(seed)
    while Path(f"/proc/{pid}").exists():
        time.sleep(chosen.uniform(*BETWEEN))
        if running := list(below(pid)):
            paused = chosen.sample(running, chosen.choice([1, -(-len(running) // 3), len(running)]))
            try:
                send(paused, signal.SIGSTOP)
                time.sleep(chosen.uniform(*LONG))
            finally:
                send(paused, signal.SIGCONT)


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], time.time_ns()][:2]))
