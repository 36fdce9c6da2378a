"""From an image URI to what is sent: a URL, or the image's bytes, checked before a call is paid for."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from .errors import check_type, check_whole
from .fitting import LEAST_FIT, MOST_FIT, fit
from .pictures import PayloadFault, check_image
from .redaction import redact, scrub
from .request import AnalyzeRequest
from .signatures import signature_ends_at
from .uri import HTTP_SCHEMES, ImageRef, InvalidUri, check, local_path, sendable

ReadFirst = Callable[[str, int], tuple[bytes, str | None]]
"""Of a path, the first bytes, as many as are asked for, and the file's etag."""

_BYTES = "application/octet-stream"
_READ_ATTEMPTS = 3
_READ_PAUSE = 0.5
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_PERMANENT_CODES = frozenset({400, 401, 403, 404, 412})


class Sent(NamedTuple):
    """What is sent as bytes, and of which image, as `responses` has it; null of what is sent by URL."""

    fit: int | None = None
    sent_width: int | None = None
    sent_height: int | None = None
    sent_bytes: int | None = None
    sent_format: str | None = None
    content_bytes: int | None = None
    content_sha256: str | None = None
    content_etag: str | None = None
    original_width: int | None = None
    original_height: int | None = None


BY_URL = Sent()


@dataclass(frozen=True)
class Payload:
    """The body of a call and its content type."""

    content_type: str
    body: bytes
    sent: Sent = BY_URL


def check_fit(side: int | None) -> int | None:
    """Refuses what is no side that images can be fitted to.

    Raises:
      ConfigurationError: it is none.
    """
    if side is not None:
        check_type("fit", side, int, "for example 1600, or leave it out")
        check_whole("fit", side, LEAST_FIT, MOST_FIT, f"{MOST_FIT} touches only what would be refused")
    return side


def is_sent_as_url(image: ImageRef) -> bool:
    """Whether the service fetches the image itself.

    Raises:
      PayloadFault: the URI is malformed, or there is none.
    """
    try:
        if image.fault:
            raise InvalidUri(image.fault)
        return check(image.uri) in HTTP_SCHEMES
    except InvalidUri as error:
        raise PayloadFault("invalid_uri", f"{place_of(image)}{error}") from None


def url_payload(image: ImageRef, clock: Callable[[], float] = time.time) -> Payload:
    """The JSON body that names an http(s) image.

    Raises:
      PayloadFault: the signature of the URL has expired.
    """
    check_signature(image, clock)
    return Payload("application/json", json.dumps({"url": sendable(image.uri)}).encode())


def check_signature(image: ImageRef, clock: Callable[[], float] = time.time) -> None:
    """Whether the service could still fetch the image, as far as its URL says.

    Raises:
      PayloadFault: the signature of the URL has expired.
    """
    ends_at = signature_ends_at(image.uri)
    if ends_at is not None and ends_at <= clock():
        moment = datetime.fromtimestamp(ends_at, timezone.utc).isoformat(timespec="seconds")
        raise PayloadFault("expired_url", f"the signature of the URL ended at {moment}")


def read_image(
    image: ImageRef,
    most: int,
    read_first: ReadFirst,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[bytes, str | None]:
    """The bytes of an image, one more than `most` if there are more, and its etag.

    Raises:
      PayloadFault: it cannot be read.
    """
    path = local_path(image.uri)
    for attempt in range(1, _READ_ATTEMPTS + 1):
        try:
            return read_first(path, most + 1)
        except Exception as error:  # every file system of Beam has exceptions of its own
            if attempt == _READ_ATTEMPTS or _is_permanent(error):
                raise PayloadFault("unreadable_image", f"the image cannot be read: {_describe(error, path)}") from None
        pause(_READ_PAUSE * attempt)
    raise AssertionError("unreachable")


def payload_of(
    data: bytes, request: AnalyzeRequest, side: int | None = None, is_wanted: Callable[[], bool] = lambda: True
) -> Payload:
    """What is sent of an image: its bytes, or with `side` (`--fit`) what the service takes of them.

    Raises:
      PayloadFault: the service would refuse it.
      NotWanted: it was to be fitted, and is not wanted any more.
    """
    if side is None:
        form, width, height = check_image(data, request.max_image_bytes)
        return Payload(_BYTES, data, Sent(None, width, height, len(data), form, len(data)))
    fitted = fit(data, side, request.max_image_bytes, request.image_formats, is_wanted)
    facts = (*fitted.sides, len(fitted.body), fitted.format, len(data))
    sent = Sent(None, *facts)
    if fitted.original:
        width, height = fitted.original
        sent = sent._replace(fit=side, original_width=width, original_height=height)
    return Payload(_BYTES, fitted.body, sent)


def place_of(image: ImageRef) -> str:
    """Where an image is listed, as the beginning of a message; empty where that is not known."""
    unit = "row" if image.listed_in.lower().endswith(".parquet") else "line"
    position = f", {unit} {image.position}" if image.position else ""
    return f"{image.listed_in}{position}: " if image.listed_in else ""


def _is_permanent(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _PERMANENT) or getattr(error, "code", None) in _PERMANENT_CODES:
            return True
        error = error.__cause__ or error.__context__
    return False


def _describe(error: Exception, path: str) -> str:
    if isinstance(error, FileNotFoundError) and "://" not in path:
        return f"there is no file {redact(os.path.abspath(path))}"
    text = scrub(str(error).replace(path, ""), path).strip(" :'\"") or "no reason given"
    return f"{type(error).__name__}: {text}"[:300]
