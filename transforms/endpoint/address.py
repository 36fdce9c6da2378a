"""The URL of a resource, checked before anything is spent: each mistake has a sentence of its own."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

import requests

from .errors import ConfigurationError
from .tls import tls_context

PATH = "/computervision/imageanalysis:analyze"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EXAMPLE = "as in https://NAME.cognitiveservices.azure.com"
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f]")
_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+(%\w+)?")
_USERINFO = re.compile(r"^(\w*://)?.*@", re.DOTALL)
_SHOWN = 200

Objection = tuple[str, str]
"""A rule that is broken, and the fix."""


def check_endpoint(endpoint: str, allow_insecure: bool = False) -> str:
    """The endpoint with its scheme in lower case, without a trailing slash.

    Raises:
      ConfigurationError: it is no http(s) URL of a host alone, or would send the key in the clear; or the certificates
        to trust are not there.
    """
    objection = _to_its_form(endpoint) or _to_its_parts(urlsplit(endpoint), allow_insecure)
    if objection:
        raise ConfigurationError(f"endpoint {_shown(endpoint)!r}", *objection)
    scheme, _, rest = endpoint.partition("://")
    if scheme.lower() == "https":
        tls_context()
    return f"{scheme.lower()}://{rest.rstrip('/')}"


def _to_its_form(endpoint: str) -> Objection | None:
    if not endpoint.strip():
        return "it is empty", f"set it to the URL of your Azure AI Vision resource, {_EXAMPLE}"
    if unfit := _UNFIT.search(endpoint):
        where = f"character {unfit.start() + 1} of {len(endpoint)} is {unfit[0]!r}"
        return f"a URL holds no white space and no control characters, but {where}", "remove it"
    scheme, mark, rest = endpoint.partition("://")
    if not mark:
        return "it has no scheme", f"begin it with https://, {_EXAMPLE}"
    if scheme.lower() not in ("http", "https"):
        return f"its scheme is {scheme!r}, and the service speaks https", f"begin it with https://, {_EXAMPLE}"
    if "?" in rest or "#" in rest or "@" in rest.partition("/")[0]:
        return "it may hold a scheme, host, port and path only", "drop the rest"
    return None if _is_host(endpoint) else ("its host is no name or address of a machine", f"correct it, {_EXAMPLE}")


def _is_host(endpoint: str) -> bool:
    try:
        host = urlsplit(endpoint).hostname or ""
        requests.Request("POST", f"https://[{host}]" if ":" in host else f"https://{host}").prepare()
        return bool(host.encode("idna") and _HOST.fullmatch(host))
    except ValueError:  # also what `requests` raises, and the codec
        return False


def _to_its_parts(parts: SplitResult, allow_insecure: bool) -> Objection | None:
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        return "a port is a number from 1 to 65535", "correct it, or leave it out with its colon"
    if PATH.rpartition("/")[2] in parts.path:
        return "it ends in the path of a call, which is added to it", f"drop the path, {_EXAMPLE}"
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_insecure:
        return (
            "over plain http the key could be read on the way",
            "use https, or --allow_insecure_endpoint where you trust the network",
        )
    return None


def _shown(endpoint: str) -> str:
    """Without what may be a secret."""
    text = _USERINFO.sub(r"\1…@", endpoint)
    plain = re.split(r"[?#]", text, maxsplit=1)[0]
    text = plain if plain == text else f"{plain}…"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
