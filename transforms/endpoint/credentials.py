"""Who we are to the endpoint. A credential travels to the workers as a *name*; the secret is resolved there.

Every class here is picklable and holds no secret until the first call on a worker; a pickled one never holds any.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from time import time
from typing import Any, ClassVar

from .address import check_endpoint
from .client import KEY_HEADER, Reply
from .errors import ConfigurationError
from .headers import why_no_header
from .kept_secret import CredentialError, CredentialUnavailable, KeptSecret
from .retry_after import wait_asked_for
from .secret_services import (
    ANSWER_SECONDS,
    MAX_TOKEN_BYTES,
    is_refused_certificate,
    is_unknown_host,
    may_pass,
    post_for_token,
    status_may_pass,
    within,
)

ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
ISSUED_TOKEN_SECONDS = 8 * 60  # of the ten minutes that an issued token is valid
FETCH_SECONDS = 60.0  # for all that it takes to get a secret
_EXPIRY_MARGIN = 120.0
_AZURE_KEY = re.compile(r"[A-Za-z0-9]{32,}")  # 32 hex digits, or 84 letters and digits
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
_IMDS_PASSING = (404, 410)  # what the metadata service of a virtual machine says while it is being updated
_NO_ENTRA, _INSTALL_ENTRA = "azure-identity is not installed", "pip install 'image-analysis-beam[entra]'"


class Credential(ABC):
    """A source of the headers that authenticate a call. One object serves all threads of a process."""

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The headers of one call.

        Raises:
          CredentialUnavailable: there is no secret to be had just now.
          CredentialError: there is no secret to be had.
        """

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Told the headers of a call that was refused as unauthorized; whether there are others to try."""
        return False


@dataclass(frozen=True)
class EnvironmentKey(Credential):
    """A resource key in an environment variable of the worker.

    Raises:
      ConfigurationError: the name reads like a key, or the variable is set here, to what cannot be a header.
    """

    variable: str = "VISION_KEY"

    def __post_init__(self) -> None:
        if check_variable(self.variable) in os.environ and (why := why_no_header(self._text())):
            raise ConfigurationError(
                f"the key in the environment variable {self.variable}",
                f"it travels in an HTTP header, and {why}",
                f"export {self.variable} again, with the key alone: no typographic quotes, no line breaks",
            )

    def headers(self) -> dict[str, str]:
        if not (key := self._text()):
            raise CredentialError(f"no key in the environment variable {self.variable}")
        return {KEY_HEADER: _fit_for_header(key, f"the key in the environment variable {self.variable}")}

    def _text(self) -> str:
        return os.environ.get(self.variable, "").strip()


@dataclass(frozen=True)
class _Fetched(Credential):
    """A secret that somebody gives, kept while it is good; the value of one header."""

    _header: ClassVar[str]
    _kept: KeptSecret = field(default_factory=KeptSecret, init=False, repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        return {self._header: self._kept.get(self._fetch_in_time)}

    def refused(self, headers: Mapping[str, str]) -> bool:
        return self._kept.has_another(headers.get(self._header, ""), self._fetch_in_time)

    def _fetch_in_time(self) -> tuple[str, float]:
        try:
            return within(FETCH_SECONDS, self._fetch)
        except TimeoutError:
            raise CredentialUnavailable(f"{self!r} gave no secret within {FETCH_SECONDS:g} s") from None

    @abstractmethod
    def _fetch(self) -> tuple[str, float]:
        """The header's new value, and for how many seconds it may be used."""


@dataclass(frozen=True)
class SecretManagerKey(_Fetched):
    """A resource key in Google Secret Manager, read on the worker with the job's service account; again after a 401.

    Args:
      name: `projects/PROJECT/secrets/SECRET/versions/VERSION`.
      client: makes the `SecretManagerServiceClient`, for tests and private endpoints.
    """

    name: str
    client: Callable[[], Any] | None = field(default=None, repr=False)
    _header = KEY_HEADER

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if len(parts) != 6 or parts[::2] != ["projects", "secrets", "versions"] or not all(parts):
            raise ConfigurationError(
                "key secret" if _AZURE_KEY.fullmatch(self.name) else f"key secret {self.name!r}",
                "it is the resource name of a secret version",
                "use projects/PROJECT/secrets/SECRET/versions/latest",
            )

    def _fetch(self) -> tuple[str, float]:
        try:
            client = self.client() if self.client else _secret_manager()
            # Without the client's own retries: they would keep from us for a minute that it is away.
            version = client.access_secret_version(name=self.name, retry=None, timeout=ANSWER_SECONDS)
        except Exception as error:
            kind = CredentialUnavailable if may_pass(error) else CredentialError
            raise kind(f"secret {self.name} cannot be read: {type(error).__name__}") from None
        key = version.payload.data.decode("utf-8", "replace").strip()
        return _fit_for_header(key, f"secret {self.name}"), float("inf")


@dataclass(frozen=True)
class IssuedToken(_Fetched):
    """A short-lived token that the resource's region gives for a key (`issueToken`), renewed at eight minutes.

    Args:
      key: where the key is.
      issuer: for example `https://westus.api.cognitive.microsoft.com`.
      allow_insecure_endpoint: lets the key go to the issuer over plain http.
    """

    key: Credential
    issuer: str
    allow_insecure_endpoint: bool = False
    _header = "Authorization"

    def __post_init__(self) -> None:
        try:
            check_endpoint(self.issuer, self.allow_insecure_endpoint)
        except ConfigurationError as error:
            raise ConfigurationError("token issuer", str(error), "it is set by --token_issuer") from None

    def _fetch(self) -> tuple[str, float]:
        url = f"{self.issuer.rstrip('/')}/sts/v1.0/issueToken"
        key = self.key.headers()
        reply = self._ask(url, key)
        if reply.status in (401, 403) and self.key.refused(key):
            reply = self._ask(url, self.key.headers())
        if reply.status == 200:
            return _bearer(reply.body.decode("ascii", "replace"), url), ISSUED_TOKEN_SECONDS
        why = f"{url} gave no token: HTTP {reply.status}"
        if status_may_pass(reply.status):
            message = reply.body.decode("utf-8", "replace")
            raise CredentialUnavailable(why, wait_asked_for(reply.headers, message, time()))
        raise CredentialError(why)

    def _ask(self, url: str, key: Mapping[str, str]) -> Reply:
        try:
            return post_for_token(url, {**key, "Content-Type": "application/x-www-form-urlencoded"})
        except OSError as error:  # all that `requests` raises, and a file of certificates that is not there
            # Before the first token, a name that nobody knows is a misspelt one.
            lasts = not may_pass(error) or (is_unknown_host(error) and not self._kept.was_had)
            kind = CredentialError if lasts else CredentialUnavailable
            raise kind(f"{url} gave no token: {_in_words(error)}") from None


@dataclass(frozen=True)
class EntraToken(_Fetched):
    """A Microsoft Entra token through azure-identity (extra `entra`): environment, workload or managed identity.

    Args:
      token_credential: makes the azure-identity credential; `DefaultAzureCredential` if left out.
    """

    token_credential: Callable[[], Any] | None = field(default=None, repr=False)
    _header = "Authorization"

    def _fetch(self) -> tuple[str, float]:
        replies: list[Any] = []
        try:
            credential = self.token_credential() if self.token_credential else _default_azure_credential(replies)
            token = credential.get_token(ENTRA_SCOPE)
        except CredentialError:
            raise
        except Exception as error:
            raise self._failure(error, replies[-1].http_response if replies else None) from None
        left = max(0.0, token.expires_on - time())
        return _bearer(token.token, "Entra"), left - min(_EXPIRY_MARGIN, left / 2)

    def _failure(self, error: Exception, reply: Any) -> CredentialError:
        """By the last reply, which azure-identity's exceptions do not tell; a failure without one may pass if there was
        a token before, for then there is an identity here."""
        why = f"Entra gave no token: {type(error).__name__}"
        if reply is not None and reply.status_code >= 400:
            why += f", HTTP {reply.status_code}"
            passes = status_may_pass(reply.status_code) or reply.status_code in _IMDS_PASSING
            wait = wait_asked_for(reply.headers, "", time())
        else:
            passes, wait = may_pass(error) or self._kept.was_had, None
        return CredentialUnavailable(why, wait) if passes else CredentialError(why)


def check_variable(name: str) -> str:
    """Refuses a key in the place of the name of its environment variable.

    Raises:
      ConfigurationError: it reads like one.
    """
    if _AZURE_KEY.fullmatch(name):
        rule = "what is given as its name reads like the key itself, and is not shown"
        raise ConfigurationError("the key's environment variable", rule, "export the key, and name the variable")
    return name


def check_entra_is_installed() -> None:
    """For jobs that call from this machine.

    Raises:
      ConfigurationError: azure-identity is not installed here.
    """
    try:
        found = find_spec("azure.identity")
    except ModuleNotFoundError:  # no `azure` at all
        found = None
    if found is None:
        raise ConfigurationError("Microsoft Entra", _NO_ENTRA, _INSTALL_ENTRA)


def _default_azure_credential(replies: list[Any]) -> Any:
    """Without retries of its own, which would sleep as long as they are told; `replies` gets what came back."""
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError:
        raise CredentialError(f"Entra gave no token: {_NO_ENTRA}; {_INSTALL_ENTRA}") from None
    return DefaultAzureCredential(
        raw_response_hook=replies.append, retry_total=0, connection_timeout=ANSWER_SECONDS, read_timeout=ANSWER_SECONDS
    )


def _secret_manager() -> Any:
    from google.cloud import secretmanager

    return secretmanager.SecretManagerServiceClient()


def _bearer(token: str, giver: str) -> str:
    """The header's value with the token that was given; a proxy's page, for one, is none."""
    if len(token) > MAX_TOKEN_BYTES or not _TOKEN.fullmatch(token.strip()):
        raise CredentialError(f"{giver} gave no token: what came is none; does a proxy stand in between?")
    return f"Bearer {token.strip()}"


def _fit_for_header(key: str, what: str) -> str:
    if why := why_no_header(key):
        raise CredentialError(f"{what} cannot travel in an HTTP header: {why}")
    return key


def _in_words(error: Exception) -> str:
    if is_refused_certificate(error):
        return "its certificate is not trusted (REQUESTS_CA_BUNDLE names the ones that are)"
    return "no machine has this name" if is_unknown_host(error) else type(error).__name__
