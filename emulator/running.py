"""Starts and stops emulators from Python: in a thread of this process, or as a process of their own."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import fields
from types import TracebackType
from typing import Any
from urllib.error import HTTPError

from aiohttp import web

from .behaviour import Behaviour, BehaviourError, parse_behaviour
from .certificate import certified
from .options import Options
from .server import Service

READY = "image analysis emulator at "
TRUSTED = "its certificate is trusted with REQUESTS_CA_BUNDLE="


async def serve(
    service: Service,
    tls: bool,
    port: int,
    ready: Callable[[str, str | None], None],
    stop: Callable[[], Awaitable[object]],
) -> None:
    """Serves on loopback until `stop()` returns.

    Args:
      tls: speak HTTPS.
      port: 0 leaves it to the system.
      ready: is told the URL and, with TLS, the path of the CA's certificate.
    """
    with certified() if tls else nullcontext((None, None)) as (context, ca_path):
        runner = web.AppRunner(service.application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, backlog=1024).start()
            ready(f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}", ca_path)
            await stop()
        finally:
            await runner.cleanup()


class _Control:
    """The control routes of a running emulator. `ca_path`: the certificate to trust, of one that speaks TLS."""

    url: str
    key: str
    ca_path: str | None = None

    def stats(self, images: bool = False) -> dict[str, Any]:
        """What was counted; `images` adds the calls of every image, by URL or by SHA-256 of the bytes."""
        return self._ask("GET", f"/_emulator/stats?images={int(images)}")

    def set_faults(self, faults: Mapping[str, Any]) -> dict[str, Any]:
        """Replaces the given keys of the behaviour, returns the whole. Raises ValueError with the reason."""
        return self._ask("POST", "/_emulator/faults", json.dumps(faults).encode())

    def reset(self) -> None:
        """Counts from zero, with the behaviour of the start."""
        self._ask("DELETE", "/_emulator/faults")
        self._ask("DELETE", "/_emulator/stats")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, body, method=method)
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca_path:
            context = ssl.create_default_context(cafile=self.ca_path)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        opener = urllib.request.build_opener(*handlers)
        try:
            with opener.open(request, timeout=30) as response:
                return dict(json.load(response))
        except HTTPError as error:
            with error:
                raise ValueError(json.load(error)["error"]) from None


class Emulator(_Control):
    """An emulator in a thread of this process.

        with Emulator(limits=[{"calls": 20}], latency={"seconds": 0.1}) as emulator:
            call(emulator.url, emulator.key)
            emulator.stats()["calls"]

    Takes `port` and, as keywords, the fields of Options and those of the behaviour document.
    Raises TypeError for an unknown keyword and BehaviourError for a behaviour that is not understood.
    """

    def __init__(self, port: int = 0, **settings: Any) -> None:
        option_names = {f.name for f in fields(Options)}
        behaviour_names = {f.name for f in fields(Behaviour)}
        unknown = set(settings) - option_names - behaviour_names
        if unknown:
            known = ", ".join(sorted(option_names | behaviour_names))
            raise TypeError(f"Emulator: unknown {', '.join(sorted(unknown))}; known are {known}")
        self._port = port
        self._options = Options(**{k: v for k, v in settings.items() if k in option_names})
        self._ordered = {k: v for k, v in settings.items() if k in behaviour_names}
        parse_behaviour(self._ordered)
        self.key = self._options.key
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Emulator:
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        service = Service(self._options, self._ordered)
        await serve(service, self._options.tls, self._port, self._announce, self._stop.wait)

    def _announce(self, url: str, ca_path: str | None) -> None:
        self.url, self.ca_path = url, ca_path
        self._ready.set()


class EmulatorProcess(_Control):
    """An emulator as a process of its own on a free port, for load tests. Takes the flags of the command line."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.key = _value_of("--key", arguments) or Options().key

    def __enter__(self) -> EmulatorProcess:
        command = [sys.executable, "-m", __package__, "--port", "0", *self._arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(READY):
            self.__exit__(None, None, None)
            raise RuntimeError(f"the emulator did not start, its exit code is {self._process.returncode}")
        self.url = line.removeprefix(READY).strip()
        if self.url.startswith("https"):
            self.ca_path = self._process.stdout.readline().removeprefix(TRUSTED).strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def _value_of(flag: str, arguments: tuple[str, ...]) -> str | None:
    """`--flag value` or `--flag=value`."""
    for i, argument in enumerate(arguments):
        if argument == flag:
            return arguments[i + 1]
        if argument.startswith(f"{flag}="):
            return argument.partition("=")[2]
    return None


__all__ = ["BehaviourError", "Emulator", "EmulatorProcess", "serve"]
