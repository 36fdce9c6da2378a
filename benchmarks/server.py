"""An endpoint of fixed latency that costs next to nothing, as a process of its own: what is measured is the client.

Every POST gets one of 256 full answers `--latency` seconds after its last byte came. It judges nothing; for limits and
faults use the emulator. GET /stats says when the answers left; GET /reset forgets them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import urllib.request
from array import array
from contextlib import nullcontext
from types import TracebackType
from typing import Any

from image_analysis_beam.emulator.certificate import certified

from .answers import make_answers

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"
    b"CSP-Billing-Usage: CognitiveServices.ComputerVision.Transaction=1\r\n"
    b"apim-request-id: 00000000-0000-0000-0000-000000000000\r\nx-ms-region: Nowhere\r\n\r\n"
)
REFUSED = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"  # a question that is no call
SMALL = b'{"modelVersion":"2023-10-01","metadata":{"width":640,"height":480},"tagsResult":{"values":[%s]}}' % b",".join(
    b'{"name":"tag %d","confidence":0.%d}' % (number, 99 - number) for number in range(3)
)


class Endpoint:
    """What all connections share."""

    def __init__(self, latency: float, small: bool) -> None:
        self.latency = latency
        bodies = [SMALL] if small else make_answers(256)
        self.answers = [HEAD % len(body) + body for body in bodies]
        self.reset()

    def reset(self) -> None:
        self.left = array("d")
        self.in_flight = self.peak_in_flight = self.bytes_in_flight = self.peak_bytes_in_flight = 0

    def report(self) -> dict[str, Any]:
        return {
            "calls": len(self.left),
            "peak_in_flight": self.peak_in_flight,
            "peak_bytes_in_flight": self.peak_bytes_in_flight,
            "steady_rate": steady_rate(list(self.left)),
        }


def steady_rate(times: list[float]) -> float | None:
    """Answers per second from the 10th to the 90th hundredth of them; None of fewer than 100."""
    if len(times) < 100:
        return None
    first, last = len(times) // 10, len(times) * 9 // 10
    return round((last - first) / (times[last] - times[first]), 1)


class _Connection(asyncio.Protocol):
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._received, self._loop = endpoint, bytearray(), asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            del self._received[: end + 4 + length]
            self._request(head, length)

    def _request(self, head: bytes, length: int) -> None:
        endpoint = self._endpoint
        if head.startswith(b"get /reset"):
            endpoint.reset()
        if head.startswith(b"get"):
            body = json.dumps(endpoint.report()).encode()
            self._transport.write(HEAD % len(body) + body)
            return
        if not head.startswith(b"post"):
            self._transport.write(REFUSED)
            return
        endpoint.in_flight += 1
        endpoint.bytes_in_flight += length
        endpoint.peak_in_flight = max(endpoint.peak_in_flight, endpoint.in_flight)
        endpoint.peak_bytes_in_flight = max(endpoint.peak_bytes_in_flight, endpoint.bytes_in_flight)
        self._loop.call_later(endpoint.latency, self._answer, length)

    def _answer(self, length: int) -> None:
        endpoint = self._endpoint
        endpoint.in_flight -= 1
        endpoint.bytes_in_flight -= length
        endpoint.left.append(self._loop.time())
        self._transport.write(endpoint.answers[len(endpoint.left) % len(endpoint.answers)])


class Server:
    """The endpoint as a process: `with Server(latency=0.1) as server: … server.url, server.stats()`.

    With `tls`, `ca_path` is the certificate to trust.
    """

    def __init__(self, latency: float, small: bool = False, tls: bool = False) -> None:
        self._flags = ["--latency", str(latency), *(["--small"] if small else []), *(["--tls"] if tls else [])]

    def __enter__(self) -> Server:
        command = [sys.executable, "-m", __spec__.name, *self._flags]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url, *authority = self._process.stdout.readline().split()
        self.ca_path = authority[0] if authority else None
        return self

    def stats(self) -> dict[str, Any]:
        return self._get("/stats")

    def reset(self) -> None:
        self._get("/reset")

    def _get(self, path: str) -> dict[str, Any]:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca_path:
            context = ssl.create_default_context(cafile=self.ca_path)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(self.url + path) as reply:
            return dict(json.load(reply))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()


async def _serve(latency: float, small: bool, tls: bool) -> None:
    endpoint, loop = Endpoint(latency, small), asyncio.get_running_loop()
    with certified() if tls else nullcontext((None, "")) as (context, ca_path):
        server = await loop.create_server(lambda: _Connection(endpoint), "127.0.0.1", 0, ssl=context, backlog=1024)
        url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        print(url, ca_path, flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, required=True, help="seconds")
    parser.add_argument("--small", action="store_true", help="answers of three tags in place of full ones")
    parser.add_argument("--tls", action="store_true", help="speak HTTPS, and say whose certificate to trust")
    flags = parser.parse_args()
    asyncio.run(_serve(flags.latency, flags.small, flags.tls))
