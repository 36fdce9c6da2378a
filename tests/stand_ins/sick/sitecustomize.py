"""On the path of a run, the first of its worker processes cannot reach the port `SICK_PORT`; it leaves `SICK_FILE`."""

import errno
import os
import socket
import sys

_connect = socket.socket.connect


def _unreachable(self: socket.socket, address: tuple[str, int]) -> None:
    if isinstance(address, tuple) and address[1] == int(os.environ["SICK_PORT"]):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")
    _connect(self, address)


if any("pipeline.worker" in argument for argument in sys.orig_argv):
    try:
        with open(os.environ["SICK_FILE"], "x") as file:
            file.write(str(os.getpid()))
        socket.socket.connect = _unreachable  # type: ignore[method-assign]
    except FileExistsError:
        pass
