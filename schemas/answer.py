"""Is it an answer at all? The least that a reply with status 200 has to be."""

from __future__ import annotations

import json


def answer_problem(body: bytes) -> str | None:
    """Why this is no answer of the service; None for one that is worth keeping.

    It looks for nothing but JSON with the section that every answer has. What else is not the contract, `flatten` tells
    of an answer that is kept, so that a later version may read it.
    """
    try:
        answer = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return f"the answer is not JSON: {str(error)[:200]}"
    if not isinstance(answer, dict) or not isinstance(answer.get("metadata"), dict):
        return "the answer has no metadata"
    return None
