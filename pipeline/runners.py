"""Which of Beam's runners runs the job, and that what it starts on this machine ends with us, and not before."""

from __future__ import annotations

import difflib
import logging
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from apache_beam.utils.subprocess_server import SubprocessServer

from ..transforms.endpoint.errors import ConfigurationError
from . import worker

IN_MEMORY_RUNNER, DATAFLOW_RUNNER = "FnApiRunner", "DataflowRunner"
_USUAL = "DirectRunner, PrismRunner, DataflowRunner, FlinkRunner, SparkRunner, PortableRunner"
_SECONDS = 5.0  # to reach a job server
_WORKER = f"trap '' INT TERM; exec {shlex.quote(sys.executable)} -m {worker.__name__}"
# The kernel ends it with the thread that started it; and a Ctrl-C in the terminal does not reach it, which in Go ends
# a process that was started with the signal blocked.
WITH_US = "setpriv --pdeathsig KILL setsid"
_REFUSED = {
    "DaskRunner": "it loses rows silently in Beam 2.77",
    "BundleBasedDirectRunner": "it fails on lists that end",
    "InteractiveRunner": "it is for notebooks",
}
_NOT_HERE = re.compile(r"Unable to (fetch remote|parse binary URL)|--prism_location|Java .* installed")
_EXPECTED = {
    # workers have no main session; ours registers nothing in it
    "apache_beam.runners.portability.local_job_service": "semi_persistent_directory",
    "apache_beam.runners.portability.fn_api_runner.fn_runner": "If direct_num_workers is not equal to 1",
}


def in_memory_unless_named(options: PipelineOptions) -> str:
    """The runner's name; the in-memory one where DirectRunner, or none, was asked for.

    Raises:
      ConfigurationError: there is no such runner, it is not safe, or nobody listens where it should be.
    """
    standard = options.view_as(StandardOptions)
    given = standard.runner or "DirectRunner"
    name = given.rpartition(".")[2]
    if name.lower() in ("directrunner", "direct"):
        name = standard.runner = IN_MEMORY_RUNNER
    elif "." not in given:
        name = standard.runner = _known(given)
    if against := _REFUSED.get(name):
        raise ConfigurationError(f"runner {name}", against, "use DirectRunner, or a cluster's runner")
    _check_job_endpoint(name, options.view_as(PortableOptions).job_endpoint)
    return name


def _known(given: str) -> str:
    """Beam's spelling of a name, which may be in any case, and without `Runner`."""
    names = {path.rpartition(".")[2].lower(): path.rpartition(".")[2] for path in StandardOptions.ALL_KNOWN_RUNNERS}
    names |= {name.lower(): name for name in (IN_MEMORY_RUNNER, *_REFUSED)}
    for name in (given.lower(), f"{given.lower()}runner"):
        if name in names:
            return names[name]
    near = difflib.get_close_matches(given.lower(), (name for name in names if names[name] not in _REFUSED), n=1)
    fix = f"did you mean {names[near[0]]}?" if near else "leave it out to run on this machine"
    raise ConfigurationError(f"runner {given!r}", f"it is one of Beam's, as {_USUAL}, or the path of a class", fix)


def _check_job_endpoint(runner: str, endpoint: str | None) -> None:
    if runner == "PortableRunner" and not endpoint:
        raise ConfigurationError("runner PortableRunner", "it takes a job server", "name it: --job_endpoint HOST:PORT")
    if not endpoint or endpoint == "embed":
        return
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(f"job_endpoint {endpoint!r}", "it is HOST:PORT", "correct it, as localhost:8099")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"job_endpoint {endpoint!r}", f"no job server answers there ({reason})", "start it, or correct the address"
        ) from None


def pipeline_with(options: PipelineOptions) -> Pipeline:
    """An empty pipeline on the runner that the options name.

    Raises:
      ConfigurationError: that is not installed, or lacks a flag.
    """
    try:
        return Pipeline(_runner_of(options), options)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise _unusable(options, error, "set or install what it lacks") from None


@contextmanager
def begun_by(options: PipelineOptions) -> Iterator[None]:
    """A pipeline is run meanwhile.

    Raises:
      ConfigurationError: the runner takes a program that can neither be found nor fetched.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if not _NOT_HERE.search(str(error)):
            raise
        where = "--prism_location, --flink_job_server_jar or --spark_job_server_jar"
        raise _unusable(options, error, f"install it, or name a copy by {where}") from None


def _unusable(options: PipelineOptions, error: Exception, fix: str) -> ConfigurationError:
    name, why = options.view_as(StandardOptions).runner, " ".join(str(error).split())
    return ConfigurationError(f"runner {name}", f"it cannot be used ({why})", f"{fix}, or leave --runner out")


def _runner_of(options: PipelineOptions) -> PipelineRunner | str:
    """The runner that the options name.

    In the multi-processing mode, a Ctrl-C in the terminal goes to the workers too. Ours are started so that they ignore
    it; the process that starts them tells them to stop.
    """
    name, direct = options.view_as(StandardOptions).runner, options.view_as(DirectOptions)
    if name != IN_MEMORY_RUNNER or direct.direct_running_mode != "multi_processing":
        return str(name)
    direct.direct_running_mode = "in_memory"  # the environment is what makes it multi-processing
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(_WORKER))


@cache
def end_servers_with_us() -> None:
    """Job servers that Beam starts here, as Prism, end with this process, in whatever way it does (on Linux)."""
    usual = SubprocessServer.__init__

    def begin(self: SubprocessServer, stub: Any, command: list[str], *more: Any, **named: Any) -> None:
        usual(self, stub, [*_before_server(), *command], *more, **named)

    SubprocessServer.__init__ = begin


def _before_server() -> list[str]:
    is_for_good = threading.current_thread() is threading.main_thread()
    return WITH_US.split() if is_for_good and subprocess.getstatusoutput(f"{WITH_US} true")[0] == 0 else []


@cache
def hush() -> None:
    """Keeps Beam from warning of what is meant to be so."""
    worker.hush()
    for name, words in _EXPECTED.items():
        logging.getLogger(name).addFilter(partial(_says_not, words))


def _says_not(words: str, record: logging.LogRecord) -> bool:
    return words not in record.getMessage()
