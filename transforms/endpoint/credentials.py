"""Who we are to the endpoint. A credential travels to the workers as a *name*; the secret is resolved there.

Every class here is picklable and holds no secret until the first call on a worker; a pickled one never holds any.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic, time
from typing import Any

import requests

from .errors import ConfigurationError

KEY_HEADER = "Ocp-Apim-Subscription-Key"
ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
ISSUED_TOKEN_SECONDS = 8 * 60  # of the ten minutes that an issued token is valid
_EXPIRY_MARGIN = 120


class CredentialError(Exception):
    """The secret could not be had on this machine; the message says where it was looked for, never the secret."""


class Credential(ABC):
    """A source of the headers that authenticate a call."""

    def __init__(self) -> None:
        self._forget()

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The headers of one call.

        Raises:
          CredentialError: there is no secret to be had.
        """

    def refresh(self) -> bool:
        """Called after a 401: drops what could have expired; whether another try makes sense."""
        return False

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._secret: str | None = None
        self._valid_until = 0.0

    def _cached(self, fetch: Callable[[], tuple[str, float]]) -> str:
        with self._lock:
            if self._secret is None or monotonic() >= self._valid_until:
                self._secret, valid_for = fetch()
                self._valid_until = monotonic() + valid_for
            return self._secret

    def __getstate__(self) -> dict[str, Any]:
        hidden = ("_lock", "_secret", "_valid_until")
        return {name: value for name, value in self.__dict__.items() if name not in hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __repr__(self) -> str:
        names = ", ".join(f"{name.lstrip('_')}={value!r}" for name, value in self.__getstate__().items())
        return f"{type(self).__name__}({names})"


class EnvironmentKey(Credential):
    """A resource key in an environment variable of the worker."""

    def __init__(self, variable: str = "VISION_KEY") -> None:
        super().__init__()
        self._variable = variable

    def headers(self) -> dict[str, str]:
        return {KEY_HEADER: self.key()}

    def key(self) -> str:
        key = os.environ.get(self._variable, "").strip()
        if not key:
            raise CredentialError(f"no key in the environment variable {self._variable}")
        return key


class SecretManagerKey(Credential):
    """A resource key in Google Secret Manager, read on the worker with the job's service account.

    Args:
      name: `projects/PROJECT/secrets/SECRET/versions/VERSION`.
      client_options: of `SecretManagerServiceClient`, for tests and private endpoints.
    """

    def __init__(self, name: str, client: Callable[[], Any] | None = None) -> None:
        super().__init__()
        parts = name.split("/")
        if len(parts) != 6 or parts[::2] != ["projects", "secrets", "versions"] or not all(parts):
            raise ConfigurationError(
                f"key secret {name!r}",
                "it is the resource name of a secret version",
                "use projects/PROJECT/secrets/SECRET/versions/latest",
            )
        self._name = name
        self._client = client

    def headers(self) -> dict[str, str]:
        return {KEY_HEADER: self.key()}

    def key(self) -> str:
        return self._cached(self._fetch)

    def _fetch(self) -> tuple[str, float]:
        try:
            client = self._client() if self._client else _secret_manager()
            payload = client.access_secret_version(name=self._name).payload
        except Exception as error:
            raise CredentialError(f"secret {self._name} cannot be read: {type(error).__name__}") from None
        return payload.data.decode().strip(), float("inf")


def _secret_manager() -> Any:
    from google.cloud import secretmanager

    return secretmanager.SecretManagerServiceClient()


class _Token(Credential):
    """A bearer token that is kept while it is valid."""

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._cached(self._fetch)}"}

    def refresh(self) -> bool:
        with self._lock:
            self._secret = None
        return True

    @abstractmethod
    def _fetch(self) -> tuple[str, float]:
        """A new token, and how many seconds it may be used."""


class IssuedToken(_Token):
    """A short-lived token that the resource's region gives for a key (`issueToken`), renewed at eight minutes.

    Args:
      key: where the key is.
      issuer: for example `https://westus.api.cognitive.microsoft.com`.
    """

    def __init__(self, key: EnvironmentKey | SecretManagerKey, issuer: str) -> None:
        super().__init__()
        self._key = key
        self._issuer = issuer.rstrip("/")

    def _fetch(self) -> tuple[str, float]:
        url = f"{self._issuer}/sts/v1.0/issueToken"
        headers = {KEY_HEADER: self._key.key(), "Content-Type": "application/x-www-form-urlencoded"}
        try:
            reply = requests.post(url, headers=headers, data=b"", timeout=(10, 30), allow_redirects=False)
        except requests.RequestException as error:
            raise CredentialError(f"{url} gave no token: {type(error).__name__}") from None
        if reply.status_code != 200:
            raise CredentialError(f"{url} gave no token: HTTP {reply.status_code}")
        return reply.text, ISSUED_TOKEN_SECONDS


class EntraToken(_Token):
    """A Microsoft Entra token through azure-identity (extra `entra`): environment, workload or managed identity."""

    def __init__(self, token_credential: Callable[[], Any] | None = None) -> None:
        super().__init__()
        self._token_credential = token_credential

    def _fetch(self) -> tuple[str, float]:
        try:
            credential = self._token_credential() if self._token_credential else _default_azure_credential()
            token = credential.get_token(ENTRA_SCOPE)
        except Exception as error:
            raise CredentialError(f"Entra gave no token: {type(error).__name__}") from None
        return token.token, max(0.0, token.expires_on - time() - _EXPIRY_MARGIN)


def _default_azure_credential() -> Any:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()
