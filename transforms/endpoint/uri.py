"""Image URIs: which image one names, what may be shown of it, and whether it can be read at all.

An *image id* is a hash of the canonical URI, so that two spellings of one image (another host case, a new
SAS signature, a fragment) are one image, called once. A *redacted* URI has no secret in it and is the
only form that reaches a table, a log or a report.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

HTTP_SCHEMES = ("http", "https")
FILE_SCHEMES = ("gs", "s3", "file")
SCHEMES = (*HTTP_SCHEMES, *FILE_SCHEMES)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USERINFO = re.compile(r"(://)[^/?#@]*@")
_DEFAULT_PORTS = {"http": 80, "https": 443}

# Credentials by themselves, whatever stands beside them.
_SECRET_PARAMETERS = frozenset(
    [
        "access_token",
        "api_key",
        "apikey",
        "auth",
        "hdnea",
        "hdnts",
        "hmac",
        "password",
        "secret",
        "sig",
        "signature",
        "subscription-key",
        "token",
    ]
)
_SECRET_PREFIXES = ("x-goog-", "x-amz-")
# Parts of a signature that mean nothing else once `sig` or `Signature` is there.
_SAS_PARAMETERS = frozenset(
    [
        "sv",
        "ss",
        "srt",
        "sp",
        "se",
        "st",
        "sr",
        "spr",
        "si",
        "sip",
        "sdd",
        "scid",
        "saoid",
        "suoid",
        "skoid",
        "sktid",
        "skt",
        "ske",
        "sks",
        "skv",
        "ses",
    ]
)
_SHORTEST_SECRET = 6  # characters: what is shorter may stand in any text
_SIGNED_URL_PARAMETERS = frozenset(["expires", "googleaccessid", "awsaccesskeyid", "key-pair-id", "policy"])


class InvalidUri(ValueError):
    """The text names no image that this package can read; the message says why."""


class ImageRef(NamedTuple):
    """One image to analyze: the URI as given (it may hold a signature), its id, and what may be shown."""

    uri: str
    image_id: str
    image_uri: str
    redrive_count: int = 0
    first_attempt_us: int | None = None

    @classmethod
    def of(cls, uri: str) -> ImageRef:
        """The reference of any text: a malformed one gets an id too, and fails when it is read."""
        return cls(uri, image_id(uri), redact(uri))

    def __repr__(self) -> str:
        """Without the URI as given: Beam logs elements at DEBUG."""
        return f"ImageRef({self.image_uri!r}, {self.image_id})"


def image_id(uri: str) -> str:
    """32 hex digits that identify the image, whatever signature its URI carries."""
    return hashlib.blake2b(canonical(uri).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def canonical(uri: str) -> str:
    """The URI with scheme and host in lower case, without fragment, userinfo and signature parameters.

    Local paths and `file://` URIs become absolute paths. Object names (`gs://`, `s3://`) are kept to the
    letter: `#` and `?` are ordinary characters there.
    """
    match = _SCHEME.match(uri)
    if match is None:
        return os.path.abspath(uri)
    scheme = match[1].lower()
    if scheme == "file":
        return os.path.abspath(unquote(uri[match.end() :]))
    if scheme not in HTTP_SCHEMES:
        return f"{scheme}://{uri[match.end() :]}"
    try:
        parts = urlsplit(uri)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return uri
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        host = f"{host}:{port}"
    return urlunsplit((scheme, host, parts.path or "/", _without_secrets(parts.query), ""))


def redact(uri: str) -> str:
    """The URI without userinfo, fragment and signature parameters; works on any text."""
    head, mark, query = uri.partition("?")
    head = _USERINFO.sub(r"\1", head)
    if not mark:
        return head
    query, _, _ = query.partition("#") if _SCHEME.match(uri) else (query, "", "")
    query = _without_secrets(query)
    return f"{head}?{query}" if query else head


def scrub(text: str, uri: str) -> str:
    """A text of somebody who was sent the URI, such as an error message, without what `redact` takes from the URI."""
    authority, _, query = uri.partition("?")
    secrets = set(query.partition("#")[0].split("&")) - set(redact(uri).partition("?")[2].split("&"))
    values = [part.partition("=")[2] for part in secrets if _is_telling(part)]
    if userinfo := _USERINFO.search(authority):
        values += [userinfo[0][3:-1], userinfo[0][3:-1].partition(":")[2]]
    for secret in sorted({*values, *map(unquote, values)}, key=len, reverse=True):
        text = text.replace(secret, "…") if len(secret) >= _SHORTEST_SECRET else text
    return text


def check(uri: str) -> str:
    """The scheme of a well-formed URI in lower case, `file` for a local path.

    Raises:
      InvalidUri: it is empty, malformed, or of a scheme that is not supported.
    """
    if not uri.strip():
        raise InvalidUri("the URI is empty")
    if _CONTROL.search(uri):
        raise InvalidUri("the URI holds a control character")
    if uri.startswith("data:"):
        raise InvalidUri("data: URIs are not supported; write the bytes to a file and list its path")
    match = _SCHEME.match(uri)
    if match is None:
        return "file"
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        raise InvalidUri(f"scheme {scheme!r} is not supported; use {', '.join(SCHEMES)} or a local path")
    if scheme in HTTP_SCHEMES:
        _check_http(uri)
    return scheme


def local_path(uri: str) -> str:
    """The path that a `file://` URI names; every other URI unchanged."""
    match = _SCHEME.match(uri)
    return unquote(uri[match.end() :]) if match and match[1].lower() == "file" else uri


def sendable(uri: str) -> str:
    """An http(s) URI as the service should get it: without fragment, non-ASCII characters percent-encoded."""
    return quote(uri.partition("#")[0], safe="%/:?&=+,;@!$'()*[]~#")


def _check_http(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise InvalidUri(f"the URL is malformed: {error}") from None
    if not parts.hostname:
        raise InvalidUri("the URL has no host")


def _without_secrets(query: str) -> str:
    if not query:
        return query
    names = {part.partition("=")[0].lower() for part in query.split("&")}
    dropped = set(_SECRET_PARAMETERS)
    if "sig" in names:
        dropped |= _SAS_PARAMETERS
    if "signature" in names:
        dropped |= _SIGNED_URL_PARAMETERS
    return "&".join(part for part in query.split("&") if not _is_secret(part, dropped))


def _is_secret(part: str, dropped: set[str]) -> bool:
    name = _name(part)
    return name in dropped or name.startswith(_SECRET_PREFIXES)


def _is_telling(part: str) -> bool:
    """Whether a dropped parameter is a secret by itself: the dates and rights beside a signature are not."""
    return _name(part) in _SECRET_PARAMETERS or _name(part).startswith(_SECRET_PREFIXES)


def _name(part: str) -> str:
    return unquote(part.partition("=")[0]).lower()
