"""What may be shown: URIs, and texts that quote them, without the secrets in them.

Redaction is broad where identity is narrow: all that a person would call a secret is taken out, by its place
(userinfo, a signature, a fragment) or by its name (`token=`, `api_key=`), also inside a URL that is a value of another,
and however often it is escaped. Texts are searched as they are, and with their escapes undone once, twice, …; what is
found is masked where it came from, so that the rest of the text stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from .signatures import signature_parts, without_signature

MASK = "…"
_SHORTEST_SECRET = 6  # characters: what is shorter may stand in any text
SHORTEST_IN_ANSWER = 16  # what is shorter may be a word of the answer itself
_MOST_LEVELS = 8  # of escapes within escapes

_Span = tuple[int, int]
_Find = Callable[[bytes], Iterator[_Span]]

# A secret needs one of these: most URIs of a list are passed on without a closer look.
_MAY_HOLD_SECRETS = re.compile(r"[@=#\\]|%(?:25)*(?:3d|40)|&#", re.IGNORECASE)

_NAME_OF_SECRET = re.compile(
    rb"token|passw|passphrase|secret|signature|credential|authorization|hmac|jwt|bearer|sess(?:ion)?[_.-]?id"
    rb"|(?:api|access|account|auth|private|shared|subscription)s?[_.-]?key|^x-(?:amz|goog)-"
    rb"|(?:^|[^a-z])(?:o?auth|pass|pwd|sas|sig|hdnea|hdnts)(?:[^a-z]|$)"
)
_READS_LIKE_A_KEY = re.compile(rb"[\w%+/=-]{20,200}")

_HOST = rb"(?:(?=[^/?#@:\s]*\.)[^/?#@:\s]++|localhost|\[[^\]/?#@]*\])(?::\d{1,5})?(?=[/?#]|$)"
# Userinfo ends at the last @ of the authority. Where that leaves no host that a service could reach, there is an
# unescaped / ? or # in the password, which ends at the first @ before such a host, or at the last of all.
_USERINFO = re.compile(
    rb"\s*https?:[/\\]*(?P<userinfo>(?:[^/?#]*@)?(?=" + _HOST + rb")|.*?@(?=" + _HOST + rb")|[^/?#]*:.*@|[^/?#]*@|)"
    rb"|\s*(?!https?:|file:)(?:[a-z][a-z0-9+.-]*:)?//(?P<other>[^/?#]*@|[^/?#@]*:.*?@(?=[\w.-]+(?:[:/]|$)))",
    re.IGNORECASE | re.DOTALL,
)
_NESTED_URL = re.compile(rb"(?<=[=/])https?:(?:(?![=/]https?:).)*", re.IGNORECASE | re.DOTALL)
_HAS_FRAGMENT = re.compile(rb"\s*https?:", re.IGNORECASE)

_ESCAPE = re.compile(
    rb"%([0-9a-f]{2})|\\x([0-9a-f]{2})|\\u(d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|[0-9a-f]{4})|\\([\"'\\/])"
    rb"|&(amp|quot|apos|lt|gt);|&#(\d{1,6});|&#x([0-9a-f]{1,5});",
    re.IGNORECASE,
)
_ENTITIES = {b"amp": b"&", b"quot": b'"', b"apos": b"'", b"lt": b"<", b"gt": b">"}
_AS_SPACE = bytes.maketrans(b"+", b" ")


class _Grammar(NamedTuple):
    """Where secrets stand: names before `=`, where their values end, and userinfo."""

    name: re.Pattern[bytes]
    end_of_value: re.Pattern[bytes]
    userinfo: re.Pattern[bytes]


_URI = _Grammar(re.compile(rb"(?<=[?&;#=])([\w.%-]++)="), re.compile(rb"&|\Z"), re.compile(rb"://([^/?#]*)@"))
_PROSE = _Grammar(
    re.compile(rb"(?<![\w.-])([\w.-]++)="),
    re.compile(rb"[&\s\"'<>\\]|\Z"),
    re.compile(rb"://([^/?#\s\"'<>]*)@"),
)


def redact(uri: str) -> str:
    """The URI without userinfo, fragment and signature, `…` for other secrets; works on any text.

    `#` begins a fragment in http(s) only, it is an ordinary character of an object's name or a path.
    """
    if not _MAY_HOLD_SECRETS.search(uri):
        return uri
    shown = _text(_dismember(_bytes(uri)).rest)
    path, _, query = shown.partition("?")
    kept = without_signature(query)
    if kept != query:
        shown = f"{path}?{kept}" if kept else path
    return _masked(shown, _secrets_in_uri)


def scrub(text: str, uri: str) -> str:
    """A text of somebody who was sent the URI, such as an error message, without secrets: neither those of the URI, in
    whatever form, also cut off at the end, nor any other that shows by its name or place.
    """
    secrets = _forms(_secrets_of(uri), _SHORTEST_SECRET)

    def find(level: bytes) -> Iterator[_Span]:
        yield from _secrets_in(level, _PROSE)
        yield from _occurrences(level, secrets)
        yield from _cut_off(level, secrets)

    return _masked(text, find)


def scrub_answer(body: str, uri: str) -> str:
    """An answer without the URL as it was sent, where that holds secrets, and without its long secrets.

    Nothing else is touched: an answer was paid for, and may show a password that stands in the image.
    """
    sent = uri.partition("#")[0]
    if redact(sent) == sent:
        return body
    secrets = _forms([_bytes(sent), *_secrets_of(sent)], SHORTEST_IN_ANSWER)
    return _masked(body, lambda level: _occurrences(level, secrets))


class _Members(NamedTuple):
    rest: bytes
    userinfo: bytes
    fragment: bytes


def _dismember(uri: bytes) -> _Members:
    userinfo = b""
    if found := _USERINFO.match(uri):
        start, end = found.span(found.lastgroup or 0)
        uri, userinfo = uri[:start] + uri[end:], uri[start:end].removesuffix(b"@")
    fragment = b""
    if _HAS_FRAGMENT.match(uri):
        uri, _, fragment = uri.partition(b"#")
    return _Members(uri, userinfo, fragment)


def _secrets_of(uri: str) -> list[bytes]:
    if not _MAY_HOLD_SECRETS.search(uri):
        return []
    rest, userinfo, fragment = _dismember(_bytes(uri))
    secrets = [userinfo, userinfo.partition(b":")[2], *re.split(rb"[:@/?#]", userinfo), fragment]
    secrets += map(_bytes, _signature_runs(_text(rest).partition("?")[2]))
    for text in (rest, b"#" + fragment):
        secrets += [level[start:end] for level, _ in _levels(text) for start, end in _secrets_in_uri(level)]
    return secrets


def _forms(secrets: Iterable[bytes], shortest: int) -> set[bytes]:
    """The secrets with their escapes undone once, twice, …, comparable; without those of fewer characters."""
    forms = {_comparable(level) for secret in secrets for level, _ in _levels(secret)}
    return {form for form in forms if len(form) >= shortest}


def _signature_runs(query: str) -> list[str]:
    """The stretches of a query that are nothing but signature."""
    parts = signature_parts(query)
    return ["&".join(run) for is_signature, run in groupby(query.split("&"), parts.__contains__) if is_signature]


def _secrets_in_uri(level: bytes) -> Iterator[_Span]:
    yield from _secrets_in(level, _URI)
    for nested in _NESTED_URL.finditer(level):
        if found := _USERINFO.match(level, *nested.span()):
            start, end = found.span("userinfo")
            yield start, max(start, end - 1)


def _secrets_in(level: bytes, grammar: _Grammar) -> Iterator[_Span]:
    at = 0
    while found := grammar.name.search(level, at):
        start = at = found.end()
        name = unquote_to_bytes(found[1]).lower()
        if _NAME_OF_SECRET.search(name) or (name in (b"key", b"code") and _is_key(level, start, grammar)):
            at = _end_of_value(level, start, grammar)
            yield start, at
    yield from (found.span(1) for found in grammar.userinfo.finditer(level))


def _is_key(level: bytes, start: int, grammar: _Grammar) -> bool:
    """`key=cat.jpg` names an object, `key=AIza…` is one; so with `code`."""
    value = _READS_LIKE_A_KEY.match(level, start)
    return value is not None and grammar.end_of_value.match(level, value.end()) is not None


def _end_of_value(level: bytes, start: int, grammar: _Grammar) -> int:
    found = grammar.end_of_value.search(level, start)
    return found.start() if found else len(level)


def _occurrences(level: bytes, secrets: set[bytes]) -> Iterator[_Span]:
    text = _comparable(level)
    for secret in secrets:
        at = text.find(secret)
        while at >= 0:
            yield at, at + len(secret)
            at = text.find(secret, at + 1)


def _cut_off(level: bytes, secrets: set[bytes]) -> Iterator[_Span]:
    """The beginning of a secret at the end of a text."""
    text = _comparable(level)
    for secret in secrets:
        for length in range(min(len(secret) - 1, len(text)), _SHORTEST_SECRET - 1, -1):
            if text.endswith(secret[:length]):
                yield len(text) - length, len(text)
                break


def _comparable(text: bytes) -> bytes:
    """Services change the case, and a + is a space to some of them; as long as the text."""
    return text.lower().translate(_AS_SPACE)


def _masked(text: str, find: _Find) -> str:
    """The text with `…` for what is found in it at any level of its escapes."""
    raw = _bytes(text)
    spans = {(origin[start], origin[end]) for level, origin in _levels(raw) for start, end in find(level)}
    masked, shown_to = [], -1
    for start, end in sorted(_whole_characters(raw, *span) for span in spans if span[0] < span[1]):
        if start > shown_to:
            masked += [raw[max(shown_to, 0) : start], MASK.encode()]
        shown_to = max(shown_to, end)
    return _text(b"".join([*masked, raw[shown_to:]])) if masked else text


def _whole_characters(raw: bytes, start: int, end: int) -> _Span:
    """The span without half a UTF-8 character at its ends."""
    while raw[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(raw) and raw[end] & 0xC0 == 0x80:
        end += 1
    return start, end


def _levels(raw: bytes) -> Iterator[tuple[bytes, Sequence[int]]]:
    """The text, then with its escapes undone once, twice, …; each with the place in `raw` of its bytes and its end."""
    level: bytes = raw
    origin: Sequence[int] = range(len(raw) + 1)
    for _ in range(_MOST_LEVELS):
        yield level, origin
        if not _ESCAPE.search(level):
            return
        level, origin = _unescaped(level, origin)


def _unescaped(level: bytes, origin: Sequence[int]) -> tuple[bytes, Sequence[int]]:
    parts: list[bytes] = []
    origins: list[int] = []
    end = 0
    for found in _ESCAPE.finditer(level):
        character = _character(found)
        parts += (level[end : found.start()], character)
        origins += [*origin[end : found.start()], *[origin[found.start()]] * len(character)]
        end = found.end()
    return b"".join([*parts, level[end:]]), [*origins, *origin[end:]]


def _character(found: re.Match[bytes]) -> bytes:
    percent, python, json, quoted, entity, decimal, hexadecimal = found.groups()
    if percent or python:
        return bytes.fromhex((percent or python).decode())
    if json:
        utf_16 = bytes.fromhex(json.lower().replace(rb"\u", b"").decode())
        return utf_16.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
    if quoted or entity:
        return quoted or _ENTITIES[entity.lower()]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code).encode("utf-8", "surrogatepass") if code <= 0x10FFFF else b"?"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
