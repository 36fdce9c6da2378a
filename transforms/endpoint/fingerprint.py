"""The request fingerprint: tells whether an image was already asked exactly this.

In: everything that can change the answer (features in canonical order or the custom model, language, gender-neutral
captions, aspect ratios in their order, api-version, model-version).
Out: everything that cannot: endpoint and credentials (another region or a rotated key gives the same answer), rates,
time-outs, windows and every other tuning knob. Changing one of those must never cause an answered image to be paid
again.

An answer is held by feature: what a request answers are the fingerprints of the request narrowed to each of its
features. So the fingerprint that a row carries, of what its call asked, tells what need not be asked again.

The leading version changes only if the same request would hash otherwise; an old fingerprint then matches no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import chain, combinations

from .errors import ConfigurationError
from .request import FEATURES, AnalyzeRequest

FINGERPRINT_VERSION = "v1"


def request_fingerprint(request: AnalyzeRequest) -> str:
    """`v1-` and 16 hex digits, the same for equal requests on every machine and Python version."""
    text = json.dumps(asdict(request), sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{FINGERPRINT_VERSION}-{digest}"


@lru_cache
def wanted_answers(request: AnalyzeRequest) -> tuple[str, ...]:
    """The feature fingerprints of a request, in the order of its features; of a custom model, the request's own."""
    if request.model_name:
        return (request_fingerprint(request),)
    return tuple(request_fingerprint(request.narrowed([feature])) for feature in request.features)


@lru_cache
def given_answers(request: AnalyzeRequest) -> Mapping[str, frozenset[str]]:
    """For each thing that a run with this request may ask of an image, by its fingerprint: the feature fingerprints
    that it answers."""
    wanted = wanted_answers(request)
    given = {request_fingerprint(request): frozenset(wanted)}
    answers = list(zip(request.features, wanted, strict=False))
    for some in chain.from_iterable(combinations(answers, number) for number in range(1, len(answers) + 1)):
        asked = request.narrowed(feature for feature, _ in some)
        given.setdefault(request_fingerprint(asked), frozenset(answer for _, answer in some))
    return given


def answered_by(request: AnalyzeRequest, others: Iterable[AnalyzeRequest]) -> dict[str, int]:
    """What fingerprints of this and of other requests answer of this one: bits, in the order of its features.

    Known are also those of requests for whatever features with the same options: a run may not have said what it asks.
    """
    bits = {answer: 1 << number for number, answer in enumerate(wanted_answers(request))}
    known, answered = {request, *others}, {}
    with suppress(ConfigurationError):  # not all features go with these options, or with a custom model
        known.add(replace(request, features=FEATURES))
    for one in known:
        for fingerprint, answers in given_answers(one).items():
            if mask := sum(bits.get(answer, 0) for answer in answers):
                answered[fingerprint] = mask
    return answered
