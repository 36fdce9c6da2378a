"""The request fingerprint: tells whether an image was already asked exactly this.

In: everything that can change the answer (features in canonical order or the custom model, language, gender-neutral
captions, aspect ratios in their order, api-version, model-version).
Out: everything that cannot: endpoint and credentials (another region or a rotated key gives the same answer), rates,
time-outs, windows and every other tuning knob. Changing one of those must never cause an answered image to be paid
again.

The leading version changes only if the same request would hash otherwise; an old fingerprint then matches no more.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from .request import AnalyzeRequest

FINGERPRINT_VERSION = "v1"


def request_fingerprint(request: AnalyzeRequest) -> str:
    """`v1-` and 16 hex digits, the same for equal requests on every machine and Python version."""
    text = json.dumps(asdict(request), sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{FINGERPRINT_VERSION}-{digest}"
