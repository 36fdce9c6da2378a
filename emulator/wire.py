"""How replies go out: whole, in chunks, packed; or badly: cut, stalled, slowed down, with too much in them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Any

from aiohttp import web

CHUNK = 64 * 2**10
SMALL_CHUNK = 500
"""Bytes of a chunk, small enough for any answer to be several."""
_LINGER_ZERO = struct.pack("ii", 1, 0)  # closing then sends RST instead of FIN


UNANSWERED = frozenset({"stalled", "reset_midway", "short_body"})
"""Kinds after which the caller holds no complete response."""


def cut(request: web.Request, how: str) -> None:
    """Ends the connection now: `rst` as a crash or firewall does, `close` as an orderly one."""
    transport = request.transport
    if transport is None:
        return
    if how == "rst":
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    else:
        transport.close()


async def reset(request: web.Request, how: str) -> web.StreamResponse:
    """No byte of a response."""
    cut(request, how)
    return web.Response()


async def send(request: web.Request, response: web.Response, chunked: bool, gzip: bool) -> web.StreamResponse:
    """Sends it to the last byte; packed only for those who accept it."""
    body = response.body if isinstance(response.body, bytes) else b""
    reply: web.StreamResponse = response
    if chunked:
        reply = web.StreamResponse(status=response.status, reason=response.reason, headers=response.headers)
        reply.enable_chunked_encoding()
    if gzip and body and "gzip" in request.headers.get("Accept-Encoding", ""):
        reply.enable_compression(web.ContentCoding.gzip)
    await reply.prepare(request)
    if chunked:
        for start in range(0, len(body), SMALL_CHUNK):
            await reply.write(body[start : start + SMALL_CHUNK])
    await reply.write_eof()
    return reply


async def deliver(
    request: web.Request, kind: str, params: Mapping[str, Any], body: bytes, headers: dict[str, str]
) -> web.StreamResponse:
    """Sends a good answer badly."""
    if kind == "stalled":
        await asyncio.sleep(params["seconds"])
        return await reset(request, "close")
    if kind == "slow":
        await asyncio.sleep(params["seconds"])
    if kind == "huge":
        return await _huge(request, int(params["megabytes"] * 2**20), body, headers)
    if kind == "trickled":
        return await _trickled(request, params["bytes_per_second"], body, headers)
    if kind == "short_body":
        return await _partial(request, params["share"], "close", body, headers)
    if kind == "reset_midway":
        return await _partial(request, 0.5, params["how"], body, headers)
    return web.Response(body=body, headers=headers)


async def _start(request: web.Request, headers: dict[str, str], length: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Length": str(length)})
    await response.prepare(request)
    return response


async def _partial(
    request: web.Request, share: float, how: str, body: bytes, headers: dict[str, str]
) -> web.StreamResponse:
    """Promises the whole body, sends a share of it, ends the connection."""
    response = await _start(request, headers, len(body))
    await response.write(body[: int(len(body) * min(share, 0.999))])
    cut(request, how)
    return response


async def _trickled(
    request: web.Request, bytes_per_second: float, body: bytes, headers: dict[str, str]
) -> web.StreamResponse:
    response = await _start(request, headers, len(body))
    for i in range(len(body)):
        await response.write(body[i : i + 1])
        await asyncio.sleep(1 / max(bytes_per_second, 1e-3))
    return response


async def _huge(request: web.Request, padding: int, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
    """The answer with an unknown string field of `padding` bytes in front of its own."""
    opening, rest = b'{"padding":"', b'",' + body[1:]
    response = await _start(request, headers, len(opening) + padding + len(rest))
    await response.write(opening)
    for sent in range(0, padding, CHUNK):
        await response.write(b"x" * min(CHUNK, padding - sent))
    await response.write(rest)
    return response
