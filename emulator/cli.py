"""The command line: flags to options and behaviour, then serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .behaviour import BehaviourError, parse_behaviour
from .limits import THROTTLE_FORMS
from .options import Options
from .running import READY, TRUSTED, serve
from .server import Service
from .shapes import NO_TEXT_FORMS

DEFAULT_PORT = 8711


def main(argv: list[str]) -> int:
    """Runs the emulator. Returns 0 when stopped, 2 for flags that are not understood or a port in use."""
    arguments = _parser().parse_args(argv)
    try:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("it stops at a signal, which only the main thread hears; in a thread, use Emulator(…)")
        options, ordered = read_options(arguments), read_behaviour(arguments)
        asyncio.run(_serve_until_stopped(Service(options, ordered), options.tls, arguments.port))
    except (BehaviourError, ValueError, OSError, RuntimeError, OverflowError) as error:
        fix = "; --port 0 takes a free one" if "bind" in str(error) else ""
        print(f"emulator: {error}{fix}", file=sys.stderr)
        return 2
    return 0


def read_options(arguments: argparse.Namespace) -> Options:
    return Options(
        key=arguments.key,
        tokens=tuple(arguments.token),
        token_seconds=arguments.token_seconds,
        models=dict(_model(text) for text in arguments.model),
        region=arguments.region,
        ocr=arguments.ocr,
        lenient_json=arguments.lenient_json,
        fetch_seconds=arguments.fetch_seconds,
        workers=arguments.workers,
        tls=arguments.tls,
    )


def read_behaviour(arguments: argparse.Namespace) -> dict[str, Any]:
    """The behaviour document that the flags spell; a flag wins over the same key in the --faults file."""
    document: dict[str, Any] = {}
    if arguments.faults:
        document = json.loads(Path(arguments.faults).read_text(encoding="utf-8"))
    if arguments.limit:
        document["limits"] = [_limit(text) for text in arguments.limit]
    if arguments.latency:
        document["latency"] = _latency(arguments.latency, arguments.latency_seed)
    for name in ("throttle_form", "no_text", "close_idle_after"):
        if getattr(arguments, name) is not None:
            document[name] = getattr(arguments, name)
    for name in ("retired", "hostile_text", "turns", "chunked", "gzip"):
        if getattr(arguments, name):
            document[name] = True
    parse_behaviour(document)
    return document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="image-analysis-beam emulator",
        usage="%(prog)s [--port N] [flags]",
        description="Azure Image Analysis 4.0 on loopback. Faults and limits can also be changed while it runs: "
        "POST /_emulator/faults. Counts: GET /_emulator/stats.",
    )
    add = parser.add_argument
    add("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    add("--key", default="emulator-key", help="the subscription key (default: %(default)s)")
    add("--token", action="append", default=[], help="a bearer token that is accepted too; repeatable")
    add("--token_seconds", type=float, default=600.0, help="life of tokens issued here (default: %(default)s)")
    add("--model", action="append", default=[], metavar="NAME[:KIND]", help="a custom model: classifier or detector")
    add("--region", default="West US", help="captions exist in GPU regions only (default: %(default)s)")
    add("--ocr", action="store_true", help="read real text (needs the extra emulator-ocr)")
    add("--lenient_json", action="store_true", help="accept {'url': '...'} in single quotes")
    add("--fetch_seconds", type=float, default=10.0, help="time to download an image URL (default: %(default)s)")
    add("--workers", type=int, default=2, help="threads that analyse pictures (default: %(default)s)")
    add("--tls", action="store_true", help="speak HTTPS; prints the path of the CA's certificate")
    add("--chunked", action="store_true", help="replies in chunks, without Content-Length")
    add("--gzip", action="store_true", help="packed replies for callers who accept them")
    add("--close_idle_after", type=float, metavar="S", help="close connections that are idle for so many seconds")
    add("--limit", action="append", default=[], metavar="KIND:CALLS/SECONDS[:BURST]",
        help="sliding:20/1, bucket:20/60:5; repeatable, all hold")  # fmt: skip
    add("--throttle_form", choices=THROTTLE_FORMS, help="how a 429 says when to come back (default: both)")
    add("--latency", metavar="KIND:NUMBERS",
        help="fixed:S, uniform:LOW:HIGH, lognormal:MEDIAN:SIGMA, tail:S:SLOW:PROBABILITY")  # fmt: skip
    add("--latency_seed", type=int, default=0)
    add("--faults", metavar="FILE", help="behaviour document in JSON, as POST /_emulator/faults takes it")
    add("--retired", action="store_true", help="previews answer 410")
    add("--turns", action="store_true", help="see pictures as their EXIF orientation turns them")
    add("--hostile_text", action="store_true", help="captions, tags and text that break careless readers")
    add("--no_text", choices=NO_TEXT_FORMS, help="GA readResult without text (default: empty_blocks)")
    return parser


def _model(text: str) -> tuple[str, Any]:
    name, _, kind = text.partition(":")
    return name, kind or "classifier"


def _limit(text: str) -> dict[str, Any]:
    try:
        kind, rate, *burst = text.split(":")
        calls, _, seconds = rate.partition("/")
        limit: dict[str, Any] = {"kind": kind, "calls": float(calls), "seconds": float(seconds or 1)}
        return {**limit, "burst": float(burst[0])} if burst else limit
    except ValueError:
        raise ValueError(f"--limit {text}: must be KIND:CALLS/SECONDS[:BURST]") from None


_LATENCY_NUMBERS: dict[str, Sequence[str]] = {
    "fixed": ("seconds",),
    "uniform": ("low", "high"),
    "lognormal": ("median", "sigma"),
    "tail": ("seconds", "slow", "probability"),
}


def _latency(text: str, seed: int) -> dict[str, Any]:
    kind, *numbers = text.split(":")
    names = _LATENCY_NUMBERS.get(kind, ())
    if not names or len(names) != len(numbers):
        forms = ", ".join(":".join([kind, *names]) for kind, names in _LATENCY_NUMBERS.items())
        raise ValueError(f"--latency {text}: must be one of {forms}")
    return {"kind": kind, "seed": seed, **{name: float(n) for name, n in zip(names, numbers, strict=True)}}


def _announce(url: str, ca_path: str | None) -> None:
    print(f"{READY}{url}", flush=True)
    if ca_path:
        print(f"{TRUSTED}{ca_path}", flush=True)


async def _serve_until_stopped(service: Service, tls: bool, port: int) -> None:
    """Returns at SIGTERM or SIGINT, which are heeded before the port is announced."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(service, tls, port, _announce, stop.wait)
