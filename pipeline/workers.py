"""How many processes share the rate at the most, P: at the start of a job each has R / P of it.

They know of each other soon (`transforms/fleet/`), and then each has R by the number of those that have something to
call. Where P is not known, the first calls wait until they do.

    runner                         P
    in memory, multi-threading     1
    in memory, multi-processing    direct_num_workers (0: the CPUs of this machine)
    Prism                          1: it starts one worker for the job
    Dataflow                       max_num_workers x processes per VM (its vCPUs)
    Flink, Spark                   parallelism: the bundles open at once, and calls are made inside bundles only
    any                            --worker_processes, where given

Where R is given and Dataflow's max_num_workers is not, it becomes the smallest number of workers that can carry R: a
process with W calls in flight at L seconds each makes W / L calls a second (L = 1 s is on the safe side).
"""

from __future__ import annotations

import math
import os
import re
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, WorkerOptions

from ..transforms.endpoint.errors import check_whole
from .runners import DATAFLOW_RUNNER, IN_MEMORY_RUNNER

ASSUMED_LATENCY = 1.0
DEFAULT_VCPUS = 2
ON_THIS_MACHINE = (IN_MEMORY_RUNNER, "PrismRunner", "")
_PROCESSES = {
    "worker_processes": (1, 100_000),
    "direct_num_workers": (0, 1000),
    "max_num_workers": (1, 100_000),
    "num_workers": (1, 100_000),
}
_VCPUS = re.compile(r"-(\d+)(?:-|$)")


def workers_to_carry(rate: float, max_in_flight: int, processes_per_worker: int) -> int:
    """The smallest number of Dataflow workers that can make `rate` calls a second."""
    return max(1, math.ceil(rate * ASSUMED_LATENCY / (max_in_flight * processes_per_worker)))


def processes_per_vm(machine_type: str | None, experiments: list[str]) -> int:
    """Python processes that Dataflow starts on one VM: one per vCPU, unless told to start one."""
    if "no_use_multiple_sdk_containers" in experiments:
        return 1
    match = _VCPUS.search(machine_type or "")
    return int(match[1]) if match else DEFAULT_VCPUS


def worker_processes(runner: str, options: PipelineOptions) -> int | None:
    """The most processes that the runner may start; None where it does not tell."""
    flags: dict[str, Any] = options.get_all_options()
    if flags.get("worker_processes") is not None:
        return int(flags["worker_processes"])
    if runner in ON_THIS_MACHINE:
        workers = int(flags.get("direct_num_workers") or os.cpu_count() or 1)
        return workers if flags.get("direct_running_mode") == "multi_processing" else 1
    if runner == DATAFLOW_RUNNER:
        most = flags.get("max_num_workers")
        per_vm = processes_per_vm(flags.get("machine_type"), flags.get("experiments") or [])
        return int(most) * per_vm if most else None
    parallelism = int(flags.get("parallelism") or -1)
    return parallelism if parallelism > 0 else None


def share_at_start(rate: float | None, processes: int | None) -> float | None:
    """R / P: calls per second of one process; None where one of the two is not known."""
    return rate / processes if rate and processes else None


def check_processes(options: PipelineOptions) -> None:
    """Refuses numbers of processes that there cannot be.

    Raises:
      ConfigurationError: there is one.
    """
    flags: dict[str, Any] = options.get_all_options()
    for name, (least, most) in _PROCESSES.items():
        if flags.get(name) is not None:
            check_whole(name, flags[name], least, most, "leave it out, or correct it")


def processes_that_share(rate: float | None, max_in_flight: int, runner: str, options: PipelineOptions) -> int | None:
    """P, None where nobody knows; sets Dataflow's `max_num_workers` where a rate is given and it is not."""
    flags = options.get_all_options()
    is_open = rate is not None and not flags.get("max_num_workers") and not flags.get("worker_processes")
    if rate is not None and runner == DATAFLOW_RUNNER and is_open:
        per_vm = processes_per_vm(flags.get("machine_type"), flags.get("experiments") or [])
        options.view_as(WorkerOptions).max_num_workers = workers_to_carry(rate, max_in_flight, per_vm)
    return worker_processes(runner, options)
