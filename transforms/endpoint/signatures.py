"""Signing schemes of URLs: which parameters of a query are a signature, and when it ends.

A scheme is recognised as a whole, by the parameters that it cannot do without. A lone `token` or `sig` is none: it may
tell two images apart.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple
from urllib.parse import unquote

_Values = Mapping[str, str]
_MAY_BE_SIGNED = re.compile(r"sig|hdn", re.IGNORECASE)  # what no scheme can do without


class _Scheme(NamedTuple):
    """One way to sign: its query holds all of `needed` and one of each of `one_of`; `is_part` tells what belongs to it.

    `ends` gives the moment in Unix seconds after which the signature is refused, None where the URL does not say.
    """

    needed: frozenset[str]
    one_of: tuple[frozenset[str], ...]
    is_part: Callable[[str], object]
    ends: Callable[[_Values], float | None]

    def is_in(self, names: set[str]) -> bool:
        return self.needed <= names and all(names & some for some in self.one_of)


def parameter_name(part: str) -> str:
    """The name of one `name=value` of a query, decoded and in lower case."""
    return unquote(part.partition("=")[0]).lower()


def signature_parts(query: str) -> list[str]:
    """Those `name=value` of a query that belong to a signing scheme, in its order."""
    schemes = _recognised(query)
    if not schemes:
        return []
    return [part for part in query.split("&") if any(scheme.is_part(parameter_name(part)) for scheme in schemes)]


def without_signature(query: str) -> str:
    """A query without the parameters of the signing schemes that it holds."""
    parts = signature_parts(query)
    return "&".join(part for part in query.split("&") if part not in parts) if parts else query


def signature_ends_at(uri: str) -> float | None:
    """When the signature of an http(s) URL ends, in Unix seconds; None if it has none, or does not say."""
    query = uri.partition("#")[0].partition("?")[2]
    schemes = _recognised(query)
    if not schemes or not uri[:8].lower().startswith(("http://", "https://")):
        return None
    values = {parameter_name(part): unquote(part.partition("=")[2]) for part in query.split("&")}
    ends = [end for scheme in schemes if (end := _end(scheme, values)) is not None]
    return min(ends, default=None)


def has_expired(uri: str, now: float) -> bool:
    """Whether the signature of an http(s) URL has ended, as far as it says, at a moment in Unix seconds."""
    ends_at = signature_ends_at(uri)
    return ends_at is not None and ends_at <= now


def _recognised(query: str) -> list[_Scheme]:
    if not _MAY_BE_SIGNED.search(query):
        return []
    names = {part.partition("=")[0].lower() for part in query.split("&")}
    return [scheme for scheme in _SCHEMES if scheme.is_in(names)]


def _end(scheme: _Scheme, values: _Values) -> float | None:
    """None for what cannot be read, or is no moment: whether it is valid is for the service to say."""
    try:
        end = scheme.ends(values)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
    return end if end is not None and 0 <= end < float("inf") else None


def _azure_end(values: _Values) -> float | None:
    """Its own end, which a stored policy may hold instead, or that of the delegation key that it is made with."""
    return min((_iso(values[name]) for name in ("se", "ske") if values.get(name)), default=None)


def _version_4_end(prefix: str) -> Callable[[_Values], float]:
    def end(values: _Values) -> float:
        signed_at = datetime.strptime(values[f"{prefix}date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        return (signed_at + timedelta(seconds=_seconds(values[f"{prefix}expires"]))).timestamp()

    return end


def _named_key_end(values: _Values) -> float:
    """Of `Expires`, or of CloudFront's custom policy: JSON in base64 whose `+=/` are written `-_~`."""
    if "policy" not in values:
        return _seconds(values["expires"])
    policy = values["policy"].replace("-", "+").replace("_", "=").replace("~", "/")
    (statement,) = json.loads(base64.b64decode(policy))["Statement"]
    return float(statement["Condition"]["DateLessThan"]["AWS:EpochTime"])


def _akamai_end(name: str) -> Callable[[_Values], float]:
    """Of a token such as `st=1700000000~exp=1700003600~acl=/*~hmac=…`."""
    return lambda values: _seconds(dict(field.split("=", 1) for field in values[name].split("~"))["exp"])


def _iso(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("not a number of seconds")
    return float(text)


def _version_4(prefix: str) -> _Scheme:
    names = ("algorithm", "credential", "date", "expires", "signedheaders", "signature")
    needed = frozenset(prefix + name for name in names)
    return _Scheme(needed, (), lambda name: name.startswith(prefix), _version_4_end(prefix))


_SAS = re.compile(r"sig|sv|ss|srt|sp|se|st|sr|spr|si|sip|sdd|scid|saoid|suoid|skoid|sktid|skt|ske|sks|skv|ses")
_KEY_NAMES = frozenset(["awsaccesskeyid", "googleaccessid", "key-pair-id", "keyname", "ossaccesskeyid"])
_NAMED_KEY = re.compile(r"signature|expires|policy|awsaccesskeyid|googleaccessid|key-pair-id|x-amz-security-token")

_SCHEMES = (
    # Azure Storage, shared access signature
    _Scheme(frozenset(["sig", "sv"]), (), _SAS.fullmatch, _azure_end),
    # Amazon S3 and Google Cloud Storage, version 4
    _version_4("x-amz-"),
    _version_4("x-goog-"),
    # S3 and Cloud Storage, version 2; CloudFront; Cloud CDN; Alibaba OSS
    _Scheme(
        needed=frozenset(["signature"]),
        one_of=(frozenset(["expires", "policy"]), _KEY_NAMES),
        is_part=_NAMED_KEY.fullmatch,
        ends=_named_key_end,
    ),
    # Akamai, one parameter that holds everything
    *(_Scheme(frozenset([name]), (), frozenset([name]).__contains__, _akamai_end(name)) for name in ("hdnea", "hdnts")),
)
