"""Takes the image, or the URL of one, out of a request body."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web

from . import errors
from .errors import Refused

BYTE_LIMIT = 20 * 2**20
CUSTOM_MODEL_BYTE_LIMIT = 6 * 2**20
JSON_LIMIT = 64 * 2**10


@dataclass(frozen=True)
class Source:
    """Either the bytes of an image or the URL of one."""

    data: bytes | None = None
    url: str | None = None


async def read_source(request: web.Request, byte_limit: int, lenient_json: bool) -> Source:
    """Reads at most `byte_limit` bytes. Raises Refused for the content type, the size, or an URL that is none."""
    declared = request.headers.get("Content-Type", "")
    kind = declared.partition(";")[0].strip().lower()
    if kind == "application/json":
        return Source(url=await _read_url(request, lenient_json))
    if kind == "multipart/form-data":
        return Source(data=await _read_part(request, byte_limit))
    if kind == "application/octet-stream" or (kind.startswith("image/") and len(kind) > len("image/")):
        return Source(data=await _read_bytes(request, byte_limit))
    raise Refused(errors.content_type(declared))


async def collect(chunks: AsyncIterator[bytes], byte_limit: int) -> bytes:
    """All chunks together. Raises Refused as soon as they exceed the limit, or if there are none."""
    received = bytearray()
    async for chunk in chunks:
        received += chunk
        if len(received) > byte_limit:
            raise Refused(errors.image_size(byte_limit))
    if not received:
        raise Refused(errors.image_size(byte_limit))
    return bytes(received)


async def _read_bytes(request: web.Request, byte_limit: int) -> bytes:
    if (request.content_length or 0) > byte_limit:
        raise Refused(errors.image_size(byte_limit))
    return await collect(request.content.iter_any(), byte_limit)


async def _read_part(request: web.Request, byte_limit: int) -> bytes:
    """The first part, whatever its name: the field name is documented nowhere."""
    try:
        part = await (await request.multipart()).next()
    except (ValueError, AssertionError):
        raise Refused(errors.IMAGE_FORMAT) from None
    if not isinstance(part, BodyPartReader):
        raise Refused(errors.image_size(byte_limit))
    return await collect(_part_chunks(part), byte_limit)


async def _part_chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk():
        yield chunk


async def _read_url(request: web.Request, lenient: bool) -> str:
    try:
        text = (await collect(request.content.iter_any(), JSON_LIMIT)).decode("utf-8-sig")
        document = _parse(text, lenient)
        url = document["url"]
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except (Refused, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        good = False
    if not good or not isinstance(url, str):
        raise Refused(errors.URL_BADLY_FORMATTED)
    return url


def _parse(text: str, lenient: bool) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if not lenient:
            raise
    try:
        return ast.literal_eval(text)
    except (SyntaxError, MemoryError):
        raise ValueError("neither JSON nor single-quoted JSON") from None
