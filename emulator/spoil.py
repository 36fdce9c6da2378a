"""Faults of content: a good answer turned into one that breaks the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Headers = dict[str, str]

ERROR_PAGE = b"<!DOCTYPE html><html><body><h1>We'll be back soon</h1></body></html>"


def spoil(kind: str, body: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """Body and headers after the fault; unchanged if the kind is none of content."""
    return _SPOILERS[kind](body, headers) if kind in _SPOILERS else (body, headers)


def _truncated(body: bytes, headers: Headers) -> tuple[bytes, Headers]:
    return body[: len(body) // 2], headers


def _html(body: bytes, headers: Headers) -> tuple[bytes, Headers]:
    return ERROR_PAGE, {**headers, "Content-Type": "text/html; charset=utf-8"}


def _wrong_content_type(body: bytes, headers: Headers) -> tuple[bytes, Headers]:
    return body, {**headers, "Content-Type": "text/plain"}


def _edited(edit: Callable[[Any], Any]) -> Callable[[bytes, Headers], tuple[bytes, Headers]]:
    def spoiler(body: bytes, headers: Headers) -> tuple[bytes, Headers]:
        return json.dumps(edit(json.loads(body)), separators=(",", ":")).encode(), headers

    return spoiler


def _without_metadata(reply: Any) -> Any:
    return {name: value for name, value in reply.items() if name != "metadata"}


def _null_sections(reply: Any) -> Any:
    return {name: None if name.endswith("Result") else value for name, value in reply.items()}


def _wrong_types(value: Any) -> Any:
    """Strings become numbers, fractions strings, and whole numbers fractions, at every depth."""
    if isinstance(value, dict):
        return {name: _wrong_types(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_wrong_types(inner) for inner in value]
    if isinstance(value, str):
        return 7
    return str(value) if isinstance(value, float) else value + 0.5


def _extra_fields(value: Any) -> Any:
    """Every object gets a field that the contract does not know."""
    if isinstance(value, dict):
        known = {name: _extra_fields(inner) for name, inner in value.items()}
        return {**known, "emulatorExtra": {"nested": [1, None, "x"]}}
    return [_extra_fields(inner) for inner in value] if isinstance(value, list) else value


_SPOILERS: dict[str, Callable[[bytes, Headers], tuple[bytes, Headers]]] = {
    "truncated_json": _truncated,
    "html": _html,
    "wrong_content_type": _wrong_content_type,
    "no_metadata": _edited(_without_metadata),
    "null_sections": _edited(_null_sections),
    "wrong_types": _edited(_wrong_types),
    "extra_fields": _edited(_extra_fields),
}
