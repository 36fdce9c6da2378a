"""How foreign texts are written."""

from __future__ import annotations

LONGEST_TEXT = 4_000
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421}

_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def readable(text: str | None, longest: int = LONGEST_TEXT) -> str:
    """Foreign text as it can stand in a page: control characters made visible, at most `longest` of it."""
    text = text or ""
    shown = text[:longest].translate(_CONTROL_PICTURES).encode("utf-8", "replace").decode()
    left = len(text) - longest
    return f"{shown}… ({left:,} more characters are in the table)" if left > 0 else shown


def escaped(text: str) -> str:
    """JSON as it can stand in a script element: nothing in it ends the element, or begins another one."""
    return text.translate(_ESCAPES)
