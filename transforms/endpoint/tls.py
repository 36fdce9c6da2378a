"""Whose certificates are trusted: read once, for all connections."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from .errors import ConfigurationError

_SECONDS = 2.0  # for a handshake that only shows whether there is one
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class _SharedContext(ssl.SSLContext):
    """urllib3 sets the protocols anew for each connection; CPython may crash if another thread connects meanwhile."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        pass


def tls_context() -> ssl.SSLContext:
    """Trusts the file or folder that the environment names, else what the system and `certifi` trust.

    A context for every connection, as urllib3 makes them, would cost 15 ms and 0.7 MiB each.

    Raises:
      ConfigurationError: what the environment names is not there, or holds no certificates.
    """
    context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    ssl.SSLContext.set_alpn_protocols(context, ["http/1.1"])
    named = next((name for name in _VARIABLES if os.environ.get(name)), None)
    if named is None:
        context.load_default_certs()
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        return context
    path = os.environ[named]
    try:
        context.load_verify_locations(**{"capath" if os.path.isdir(path) else "cafile": path})
    except OSError as error:
        raise ConfigurationError(
            f"{named} {path!r}",
            f"it is a file of trusted certificates in PEM form, or a folder of such ({error.strerror or error})",
            "correct or unset the variable",
        ) from None
    return context


def speaks_tls(host: str, port: int) -> bool:
    """Whether a handshake ends well there, whatever the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), _SECONDS) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False
