"""Downloads the image of a URL request, as the service does: bounded in time, bytes and redirects."""

from __future__ import annotations

import asyncio

import aiohttp

from . import errors
from .errors import Refused
from .payload import collect

MOST_REDIRECTS = 5


class Fetcher:
    """One connection pool; `close` it at the end."""

    def __init__(self, seconds: float) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds))

    async def fetch(self, url: str, byte_limit: int) -> bytes:
        """The body of a 200. Raises Refused: 400 if it cannot be had, or if it is too large."""
        try:
            async with self._session.get(url, max_redirects=MOST_REDIRECTS) as response:
                if response.status != 200:
                    raise Refused(errors.URL_NOT_ACCESSIBLE)
                return await collect(response.content.iter_any(), byte_limit)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as failure:
            raise Refused(errors.URL_NOT_ACCESSIBLE) from failure

    async def close(self) -> None:
        await self._session.close()
