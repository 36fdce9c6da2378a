"""Image URIs: which image one names, and whether it can be read at all.

An *image id* is a hash of the canonical URI, so that two spellings of one image (another host case, a new
signature, a fragment) are one image, called once.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from .redaction import redact
from .signatures import parameter_name, without_signature

HTTP_SCHEMES = ("http", "https")
FILE_SCHEMES = ("gs", "s3", "azfs", "file")
SCHEMES = (*HTTP_SCHEMES, *FILE_SCHEMES)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # what is left of bytes that are not UTF-8
_OBJECTS = {
    "gs": (re.compile(r"[^/]+/.+"), "gs://BUCKET/OBJECT"),
    "s3": (re.compile(r"[^/]+/.+"), "s3://BUCKET/KEY"),
    "azfs": (re.compile(r"[^/]+/[^/]+/.+"), "azfs://ACCOUNT/CONTAINER/BLOB"),
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHARED_DIGITS = 8


class InvalidUri(ValueError):
    """The text names no image that this package can read; the message says why."""


class ImageRef(NamedTuple):
    """One image to analyze: the URI as given (it may hold a signature), its id, and what may be shown.

    `failed_before`: it was called in an earlier run and failed although others were answered there.
    `asks`: the features that are to be asked of it, comma-separated; empty for all of the request.
    `etag`: what its store told the object by when it was listed; empty where it was not.
    `listed_in` and `position` say where it is listed: line or row from 1, 0 for a file. `fault` says why what stands
    there is no URI; `uri` is then empty, and `image_uri` shows what stands there.
    """

    uri: str
    image_id: str
    image_uri: str
    redrive_count: int = 0
    first_attempt_us: int | None = None
    failed_before: bool = False
    listed_in: str = ""
    position: int = 0
    fault: str = ""
    asks: str = ""
    etag: str = ""

    @classmethod
    def of(cls, uri: str | None, listed_in: str = "", position: int = 0) -> ImageRef:
        """The reference of any text: a malformed one, or none (a row without), gets an id too, and fails when read."""
        uri = uri or ""
        return cls(uri, image_id(uri), redact(uri), listed_in=listed_in, position=position)

    def __repr__(self) -> str:
        """Without the URI as given: Beam logs elements at DEBUG."""
        return f"ImageRef({self.image_uri!r}, {self.image_id})"


def image_id(uri: str) -> str:
    """32 hex digits that identify the image, whatever signature its URI carries.

    An image that had another id before shares its first digits, so that both are planned in one shard.
    """
    resource, query = _resource_and_query(uri)
    digits = _hash(_joined(resource, query))
    kept = _without_secret_names(query)
    return digits if kept == query else _hash(_joined(resource, kept))[:_SHARED_DIGITS] + digits[_SHARED_DIGITS:]


def former_image_id(uri: str) -> str | None:
    """The id that the image had when every parameter with a secret's name was left out; None if it is the same."""
    if "?" not in uri:
        return None
    resource, query = _resource_and_query(uri)
    kept = _without_secret_names(query)
    return None if kept == query else _hash(_joined(resource, kept))


def canonical(uri: str) -> str:
    """The URI with scheme and host in lower case, without fragment, userinfo and signature.

    Local paths and `file://` URIs become absolute paths. Object names (`gs://`, `s3://`) are kept to the
    letter: `#` and `?` are ordinary characters there.
    """
    return _joined(*_resource_and_query(uri))


def _resource_and_query(uri: str) -> tuple[str, str]:
    """The two parts of the canonical form; without a query where the URI is no http(s) URL."""
    match = _SCHEME.match(uri)
    if match is None:
        return os.path.abspath(uri), ""
    scheme = match[1].lower()
    if scheme == "file":
        return os.path.abspath(unquote(uri[match.end() :])), ""
    if scheme not in HTTP_SCHEMES:
        return f"{scheme}://{uri[match.end() :]}", ""
    try:
        parts = urlsplit(uri)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return uri, ""
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        host = f"{host}:{port}"
    return urlunsplit((scheme, host, parts.path or "/", "", "")), without_signature(parts.query)


def _joined(resource: str, query: str) -> str:
    return f"{resource}?{query}" if query else resource


def check(uri: str) -> str:
    """The scheme of a well-formed URI in lower case, `file` for a local path.

    Raises:
      InvalidUri: it is empty, malformed, or of a scheme that is not supported.
    """
    if not uri.strip():
        raise InvalidUri("the URI is empty")
    if _CONTROL.search(uri):
        raise InvalidUri("the URI holds a control character")
    if _SURROGATE.search(uri):
        raise InvalidUri("the URI is not UTF-8")
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
    if scheme in _OBJECTS:
        form, example = _OBJECTS[scheme]
        if not form.fullmatch(uri[match.end() :]):
            raise InvalidUri(f"the URI names no object; it has the form {example}")
    return scheme


def local_path(uri: str) -> str:
    """The path that a `file://` URI names; every other URI with its scheme in lower case."""
    match = _SCHEME.match(uri)
    if match is None:
        return uri
    scheme, rest = match[1].lower(), uri[match.end() :]
    return unquote(rest) if scheme == "file" else f"{scheme}://{rest}"


def sendable(uri: str) -> str:
    """An http(s) URI as the service should get it: without fragment, non-ASCII characters percent-encoded."""
    return quote(uri.partition("#")[0], safe="%/:?&=+,;@!$'()*[]~#")


def _check_http(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:  # its text may quote a password
        why = "its host or port cannot be read; in a password, / ? # and @ are percent-encoded"
        raise InvalidUri(f"the URL is malformed: {why}") from None
    if not parts.hostname:
        raise InvalidUri("the URL has no host")


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


# What the ids of earlier versions rest on: it never changes.
_FORMER_SECRET = re.compile(
    r"access_token|api_?key|auth|hdnea|hdnts|hmac|password|secret|sig|signature|subscription-key|token|x-(?:goog|amz)-.*",
    re.DOTALL,
)
_FORMER_SAS = re.compile(r"sv|ss|srt|sp|se|st|sr|spr|si|sip|sdd|scid|saoid|suoid|skoid|sktid|skt|ske|sks|skv|ses")
_FORMER_SIGNED_URL = re.compile(r"expires|googleaccessid|awsaccesskeyid|key-pair-id|policy")


def _without_secret_names(query: str) -> str:
    if not query:
        return query
    parts = query.split("&")
    names = {part.partition("=")[0].lower() for part in parts}
    dropped = [_FORMER_SECRET]
    dropped += [_FORMER_SAS] if "sig" in names else []
    dropped += [_FORMER_SIGNED_URL] if "signature" in names else []
    return "&".join(part for part in parts if not any(names.fullmatch(parameter_name(part)) for names in dropped))
