"""Answers in wire form, computed in a few threads, each once: cached by content and query, ready to send."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from . import errors
from .analysis.decode import CUSTOM_MODEL_FORMATS, open_picture
from .analysis.sections import Line, Wanted, analyze
from .errors import Refusal, Refused
from .hostile import make_hostile
from .query import Query
from .shapes import answer

CACHED_ANSWERS = 8192
CACHED_BYTES = 128 * 2**20

ReadText = Callable[[bytes, bool], list[Line]]


@dataclass(frozen=True)
class Question:
    """All that an answer depends on besides the picture's bytes, which `digest` stands for."""

    digest: str
    query: Query
    hostile_text: bool
    no_text: str
    turns: bool


class Answers:
    """`models` are the custom models; `read_text` finds the lines of text of a picture, if anything does."""

    def __init__(self, models: Mapping[str, str], workers: int, read_text: ReadText | None) -> None:
        self._models = models
        self._read_text = read_text
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="analysis")
        self._cache: OrderedDict[Question, bytes | Refusal] = OrderedDict()
        self._cached_bytes = 0
        self._pending: dict[Question, asyncio.Future[bytes | Refusal]] = {}

    async def get(self, data: bytes, question: Question) -> bytes:
        """The JSON reply. Raises Refused for pictures that the service refuses."""
        outcome = self._cache.get(question)
        if outcome is None:
            outcome = await self._shared(data, question)
        else:
            self._cache.move_to_end(question)
        if isinstance(outcome, Refusal):
            raise Refused(outcome)
        return outcome

    async def size_of(self, data: bytes) -> tuple[int, int] | None:
        """Width and height from the header, or None if the picture is refused."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _size_of, data)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _shared(self, data: bytes, question: Question) -> bytes | Refusal:
        """Equal questions at the same time are computed once; a caller that leaves does not stop the others."""
        pending = self._pending.get(question)
        if pending is None:
            loop = asyncio.get_running_loop()
            pending = asyncio.ensure_future(loop.run_in_executor(self._pool, self._compute, data, question))
            self._pending[question] = pending
            pending.add_done_callback(lambda done: self._keep(question, done))
        return await asyncio.shield(pending)

    def _keep(self, question: Question, done: asyncio.Future[bytes | Refusal]) -> None:
        self._pending.pop(question, None)
        if done.cancelled() or done.exception():
            return
        self._cache[question] = done.result()
        self._cached_bytes += _weight(done.result())
        while len(self._cache) > CACHED_ANSWERS or self._cached_bytes > CACHED_BYTES:
            self._cached_bytes -= _weight(self._cache.popitem(last=False)[1])

    def _compute(self, data: bytes, question: Question) -> bytes | Refusal:
        query = question.query
        try:
            picture = open_picture(data)
            if query.model_name and picture.format not in CUSTOM_MODEL_FORMATS:
                return errors.IMAGE_FORMAT
            sections = analyze(picture, question.digest, Wanted(query.ratios, query.gender_neutral, question.turns))
            if self._read_text and "read" in query.features:
                sections = replace(sections, lines=self._read_text(data, question.turns))
        except Refused as refused:
            return refused.refusal
        if question.hostile_text:
            sections = make_hostile(sections)
        detector = self._models.get(query.model_name or "") == "detector"
        reply = answer(sections, query, question.no_text, detector)
        return json.dumps(reply, separators=(",", ":"), ensure_ascii=False).encode()


def _size_of(data: bytes) -> tuple[int, int] | None:
    try:
        return open_picture(data).size
    except Refused:
        return None


def _weight(outcome: bytes | Refusal) -> int:
    return len(outcome) if isinstance(outcome, bytes) else 100
