"""Who may call: the subscription key, fixed bearer tokens, and tokens issued here that expire."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Mapping

from . import errors
from .errors import Refused

KEY_HEADER = "Ocp-Apim-Subscription-Key"


class Credentials:
    """Checks the headers of a call. The key, where it is sent, decides alone."""

    def __init__(self, key: str, tokens: tuple[str, ...], token_seconds: float, clock: Callable[[], float]) -> None:
        self._key = key
        self._fixed = frozenset(tokens)
        self._seconds = token_seconds
        self._clock = clock
        self._expiry: dict[str, float] = {}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises Refused (401 of the gateway)."""
        if KEY_HEADER in headers:
            self.check_key(headers)
            return
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._token_is_good(token.strip()):
            raise Refused(errors.UNAUTHORIZED)

    def check_key(self, headers: Mapping[str, str]) -> None:
        given = headers.get(KEY_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._key.encode()):
            raise Refused(errors.UNAUTHORIZED)

    def issue(self) -> str:
        """A new token in the form of a JWT; whoever holds it may call until it expires."""
        now = self._clock()
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        token = ".".join(
            _base64({"part": part, "salt": secrets.token_hex(16)}) for part in ("header", "claims", "signature")
        )
        self._expiry[token] = now + self._seconds
        return token

    def _token_is_good(self, token: str) -> bool:
        return token in self._fixed or self._expiry.get(token, float("-inf")) > self._clock()


def _base64(part: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
