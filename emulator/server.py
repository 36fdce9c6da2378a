"""The HTTP server: an analyze call's way through gateway, checks, faults and analysis; the control routes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from . import errors, wire
from .analysis.ocr import text_reader
from .answers import Answers, Question
from .behaviour import BehaviourError, Fault, parse_behaviour
from .connections import Connections
from .credentials import Credentials
from .errors import Refusal, Refused
from .fault_kinds import KINDS
from .faults import FaultRules, OutageWatch, Subject
from .fetch import Fetcher
from .headers import refusal_headers, success_headers
from .limits import Limits, throttled
from .options import Options
from .payload import BYTE_LIMIT, CUSTOM_MODEL_BYTE_LIMIT, Source, read_source
from .query import Query, parse_query, parse_version
from .spoil import spoil
from .stats import Call, Stats

ANALYZE_PATH = "/computervision/imageanalysis:analyze"
TOKEN_PATH = "/sts/v1.0/issueToken"


class Service:
    """The state of one emulator. Lives on one event loop; `ordered` is the behaviour document to start with."""

    def __init__(
        self, options: Options, ordered: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._clock = clock
        self._initial = dict(ordered)
        self._credentials = Credentials(options.key, options.tokens, options.token_seconds, clock)
        self._answers = Answers(options.models, options.workers, text_reader() if options.ocr else None)
        self._stats = Stats(clock)
        self._connections = Connections()
        self._order(self._initial)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/_emulator/stats", self._show_stats)
        app.router.add_delete("/_emulator/stats", self._reset_stats)
        app.router.add_get("/_emulator/faults", self._show_faults)
        app.router.add_post("/_emulator/faults", self._order_faults)
        app.router.add_delete("/_emulator/faults", self._clear_faults)
        app.router.add_post(TOKEN_PATH, self._issue_token)
        app.router.add_route("*", "/{path:.*}", self._analyze)
        app.on_response_prepare.append(_drop_server_header)
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        return app

    async def _open(self, _: web.Application) -> None:
        self._fetcher = Fetcher(self._options.fetch_seconds)

    async def _close(self, _: web.Application) -> None:
        self._connections.abort()
        await self._fetcher.close()
        self._answers.close()

    # --- analyze ---

    async def _analyze(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return self._turn_away(request)
        call = self._stats.arrive()
        connection = request.transport
        if connection is not None:
            self._connections.busy(connection)
        try:
            response = await self._answer(request, call)
            if call.outcome == "disconnected":
                call.outcome = str(response.status)
        except Refused as refused:
            response = await self._refuse(refused.refusal, call)
            call.outcome = str(response.status)
        except ConnectionResetError:  # the caller left in the midst of it
            response = web.Response()
        finally:
            self._stats.finish(call)
        if connection is None or connection.is_closing():
            return response
        if isinstance(response, web.Response):
            with suppress(ConnectionResetError):
                response = await wire.send(request, response, self._behaviour.chunked, self._behaviour.gzip)
        if self._behaviour.close_idle_after is not None:
            self._connections.idle(connection, self._behaviour.close_idle_after)
        return response

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        fault = self._outages.fault()
        if fault:
            self._stats.outage_arrivals += 1
            if not KINDS[fault.kind].after_analysis:
                return await self._meet(request, call, fault)
        self._credentials.check(request.headers)
        self._admit(request)
        query = self._check_query(request)
        byte_limit = CUSTOM_MODEL_BYTE_LIMIT if query.model_name else BYTE_LIMIT
        source = await read_source(request, byte_limit, self._options.lenient_json)
        subject = await self._subject(source, byte_limit)
        self._stats.image(subject.key, query.model_name or ",".join(query.features))
        fault = fault or self._rules.find(subject)
        if fault and not KINDS[fault.kind].after_analysis:
            return await self._meet(request, call, fault)
        body, headers = await self._compute(source, subject, query, byte_limit, call)
        if fault:
            return await self._deliver_badly(request, call, fault, body, headers)
        return web.Response(body=body, headers=headers)

    def _admit(self, request: web.Request) -> None:
        """The gateway's rate check. Raises Refused (429)."""
        now = self._clock()
        wait = self._limits.admit(now)
        if wait > 0:
            version = request.query.get("api-version", "")
            raise Refused(throttled(self._behaviour.throttle_form, wait, version, time.time()))
        self._stats.accept(now)

    def _check_query(self, request: web.Request) -> Query:
        if request.path != ANALYZE_PATH:
            raise Refused(errors.NOT_FOUND)
        pairs = list(request.query.items())
        version = parse_version(pairs, self._behaviour.retired)
        return parse_query(pairs, version, self._options.models, self._options.region)

    async def _subject(self, source: Source, byte_limit: int) -> Subject:
        """What the fault rules may ask about; an URL is fetched for it only if a rule asks for the picture."""
        if source.url is None:
            data = source.data or b""
            digest = hashlib.sha256(data).hexdigest()
            size = await self._answers.size_of(data) if self._rules.need_picture else None
            return Subject(digest, None, digest, size)
        if not self._rules.need_picture:
            return Subject(source.url, source.url)
        data = await self._fetcher.fetch(source.url, byte_limit)
        digest = hashlib.sha256(data).hexdigest()
        return Subject(source.url, source.url, digest, await self._answers.size_of(data))

    async def _compute(
        self, source: Source, subject: Subject, query: Query, byte_limit: int, call: Call
    ) -> tuple[bytes, dict[str, str]]:
        """Body and headers of the 200, at the time the ordered latency says."""
        data = source.data
        if data is None:
            data = await self._fetcher.fetch(source.url or "", byte_limit)
        received = self._clock()
        digest = subject.sha256 or hashlib.sha256(data).hexdigest()
        question = Question(digest, query, self._behaviour.hostile_text, self._behaviour.no_text, self._behaviour.turns)
        body = await self._answers.get(data, question)
        self._stats.bytes_received += len(data)
        self._stats.bill(call)
        await self._wait(call)
        received_ms = round((received - call.arrived) * 1000)
        processed_ms = round((self._clock() - received) * 1000)
        return body, success_headers(self._options.region, received_ms, processed_ms)

    async def _wait(self, call: Call) -> None:
        remaining = self._latency() - (self._clock() - call.arrived)
        if remaining > 0:
            await asyncio.sleep(remaining)

    async def _refuse(self, refusal: Refusal, call: Call) -> web.Response:
        if refusal.billed:
            self._stats.bill(call)
        if refusal.layer == "service":
            await self._wait(call)
        elapsed = round((self._clock() - call.arrived) * 1000)
        headers = refusal_headers(refusal, self._options.region, elapsed)
        return web.Response(status=refusal.status, reason=refusal.reason, body=refusal.body(), headers=headers)

    def _turn_away(self, request: web.Request) -> web.Response:
        """A method that the service does not have: the gateway looks at the key, and passes nothing on."""
        self._stats.other_methods += 1
        try:
            self._credentials.check(request.headers)
        except Refused as refused:
            return self._gateway_refusal(refused.refusal)
        return self._gateway_refusal(errors.NOT_FOUND)

    def _gateway_refusal(self, refusal: Refusal) -> web.Response:
        headers = refusal_headers(refusal, self._options.region, 0)
        return web.Response(status=refusal.status, reason=refusal.reason, body=refusal.body(), headers=headers)

    # --- faults ---

    async def _meet(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        """A fault in place of an answer."""
        self._stats.by_fault[fault.kind] += 1
        if fault.kind == "reset":
            if fault.params["billed"]:
                self._stats.bill(call)
            call.outcome = "reset"
            return await wire.reset(request, fault.params["how"])
        if fault.kind == "redirect":
            return web.Response(status=307, headers={"Location": fault.params["location"]})
        raise Refused(_refusal(fault, request.query.get("api-version", "")))

    async def _deliver_badly(
        self, request: web.Request, call: Call, fault: Fault, body: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        self._stats.by_fault[fault.kind] += 1
        if fault.kind in wire.UNANSWERED:
            call.outcome = fault.kind
        body, headers = spoil(fault.kind, body, headers)
        return await wire.deliver(request, fault.kind, fault.params, body, headers)

    # --- control ---

    def _order(self, document: Mapping[str, Any]) -> None:
        """Puts a behaviour in force; all its counts begin anew. Raises BehaviourError and changes nothing."""
        self._behaviour = parse_behaviour(document)
        self._document = dict(document)
        self._limits = Limits(self._behaviour.limits)
        self._latency = self._behaviour.latency.sampler()
        self._rules = FaultRules(self._behaviour.rules)
        self._outages = OutageWatch(self._behaviour.outage, self._clock)

    async def _order_faults(self, request: web.Request) -> web.Response:
        """Replaces the given keys of the document and keeps the others."""
        try:
            document = json.loads(await request.read())
            if not isinstance(document, dict):
                raise BehaviourError(f"the document: must be an object, got {document!r}")
            self._order({**self._document, **document})
        except ValueError as error:  # not JSON, or a BehaviourError
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(self._document)

    async def _show_faults(self, _: web.Request) -> web.Response:
        return web.json_response(self._document)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        """Back to what was ordered at the start."""
        self._order(self._initial)
        return web.json_response(self._document)

    async def _show_stats(self, request: web.Request) -> web.Response:
        report = self._stats.report(with_images=request.query.get("images") == "1")
        connections = {"connections": self._connections.opened, "closed_idle": self._connections.closed_idle}
        return web.json_response({**report, **connections})

    async def _reset_stats(self, _: web.Request) -> web.Response:
        self._stats = self._stats.fresh()
        self._connections.reset()
        return web.json_response({})

    async def _issue_token(self, request: web.Request) -> web.Response:
        try:
            self._credentials.check_key(request.headers)
        except Refused as refused:
            return self._gateway_refusal(refused.refusal)
        return web.Response(text=self._credentials.issue(), content_type="application/jwt", charset="us-ascii")


def _refusal(fault: Fault, version: str) -> Refusal:
    if fault.kind == "throttled":
        return throttled(fault.params["form"], fault.params["retry_after"], version, time.time())
    if fault.kind == "quota":
        return errors.quota(fault.params["form"], fault.params["retry_after"])
    refusal = KINDS[fault.kind].refusal
    assert refusal is not None, fault.kind
    seconds = fault.params["retry_after"]
    return refusal if seconds is None else refusal.with_header("Retry-After", int(seconds))


async def _drop_server_header(_: web.Request, response: web.StreamResponse) -> None:
    """The recordings have none."""
    response.headers.pop("Server", None)
