"""Runs a command as a process of its own and says what it took; and prints tables of such figures."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import apache_beam
import pyarrow


class Cost(NamedTuple):
    """Wall-clock and CPU seconds of a process with its children, and the peak memory of the largest, in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Runs the command to its end.

    Raises:
      RuntimeError: it failed; with what it printed.
    """
    started = time.monotonic()
    with subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{printed[-2000:]}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def our_job(*flags: str) -> list[str]:
    """The command line of the job."""
    return [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *flags]


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a Markdown table; numbers get three significant digits."""
    print(f"\n### {title}\n")
    print(f"| {' | '.join(columns)} |")
    print(f"|{'|'.join('---' if number == 0 else '---:' for number in range(len(columns)))}|")
    for row in rows:
        print(f"| {' | '.join(_shown(cell) for cell in row)} |", flush=True)


def print_machine() -> None:
    """What it ran on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(
        f"{date.today()}, {os.cpu_count()} x {models[0] if models else platform.machine()}, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, Beam {apache_beam.__version__}, pyarrow {pyarrow.__version__}"
    )


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
