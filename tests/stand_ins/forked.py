"""Python processes that begin with Beam imported, which takes two seconds: they are forked from one that has done it.

`Forked` is `subprocess.Popen`, and `run_forked` its `run`, where the command is this Python with `-m` and a module,
`-c` and a program, or a file. A process is a child of the test, with its own environment, folder, pipes and session,
and ends as any other; only what the interpreter reads at its start (`LC_ALL`, …) is the test's. On systems other than
Linux it is a new one.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any

_LARGEST = 1 << 17  # bytes of a request: the command and its environment
_SET_CHILD_SUBREAPER = 36
_ONE_AT_A_TIME = Lock()


class Forked(subprocess.Popen[Any]):
    """`subprocess.Popen` by a fork. What it starts hears of its options: pipes, `cwd`, `env`, `start_new_session`."""

    def _execute_child(self, args: list[str], *how: Any) -> None:  # as subprocess calls it, since 3.11
        if sys.platform != "linux":
            super()._execute_child(args, *how)
            return
        cwd, env, pipes, start_new_session = how[4], how[5], how[9:15], how[20]
        theirs = (pipes[0], pipes[3], pipes[5])
        what = {
            "argv": args[1:],
            "cwd": str(cwd or os.getcwd()),
            "env": dict(env or os.environ),
            "own": start_new_session,
        }
        request = json.dumps(what).encode()
        with _ONE_AT_A_TIME:
            _adopt(True)
            socket.send_fds(_server(), [request], [own if own != -1 else of_us for of_us, own in enumerate(theirs)])
            self.pid = int(_server().recv(_LARGEST))
            _adopt(False)
        self._child_created = True
        self._close_pipe_fds(*pipes)


def run_forked(
    command: list[str], data: str | None = None, timeout: float = 120, **how: Any
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` by a fork, with texts, which are captured unless `how` says where they go. `data`: its input."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with Forked(command, text=True, **pipes | how) as process:
        try:
            out, err = process.communicate(data, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _adopt(adopts: bool) -> None:
    """Whether processes whose parent has ended are children of this one from then on."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, int(adopts))


@cache
def _server() -> socket.socket:
    """Begins the process that forks; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.set_inheritable(True)
    os.posix_spawn(sys.executable, [sys.executable, __file__, str(theirs.fileno())], os.environ)
    theirs.close()
    return ours


def _serve(requests: socket.socket) -> None:
    """Forks for each request; the fork does what is asked."""
    import_module("image_analysis_beam.pipeline.run")
    gc.collect()
    gc.freeze()  # or each fork goes through all that is imported, and copies it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        request, pipes, *_ = socket.recv_fds(requests, _LARGEST, 3)
        if not request:
            sys.exit()
        reading, writing = os.pipe()
        if not (child := os.fork()):
            if grandchild := os.fork():
                os.write(writing, str(grandchild).encode())
                os._exit(0)
            _take(pipes, [requests.detach(), reading, writing])
            _become(**json.loads(request))
        os.waitpid(child, 0)
        requests.send(os.read(reading, 32))
        for opened in (reading, writing, *pipes):
            os.close(opened)


def _take(pipes: list[int], of_server: list[int]) -> None:
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
    for opened in (*pipes, *of_server):
        os.close(opened)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))


def _become(argv: list[str], cwd: str, env: dict[str, str], own: bool) -> None:
    """Does what the interpreter does with its arguments, and ends as it does."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if own:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    first, *more = argv
    sys.path.insert(0, cwd if first in ("-m", "-c") else os.path.dirname(first))
    if first == "-m":
        sys.argv = more
        runpy.run_module(more[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = [first, *more[1:]]
        sys.modules["__main__"] = ModuleType("__main__")
        exec(more[0], vars(sys.modules["__main__"]))
    else:
        sys.argv = argv
        runpy.run_path(first, run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    sys.path.pop(0)
    _serve(socket.socket(fileno=int(sys.argv[1])))
