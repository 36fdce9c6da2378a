"""Text that breaks careless readers, in place of an answer's words: markup, quotes, right-to-left, emoji, length."""

from __future__ import annotations

from dataclasses import replace

from .analysis.sections import Line, Sections, Word

FRAGMENTS = (
    "<script>alert('caption')</script>",
    "\"quoted\" 'twice', a,comma;and\ttab",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
    "emoji \U0001f469\u200d\U0001f469\u200d\U0001f467 e\u0301 \U0001f1ef\U0001f1f5",
    "</td></tr> & &amp; {{7*7}} %s %d \\u0000 \\",
    "=HYPERLINK(1,2)\nsecond line\u2028third",
)
LONG_TEXT_LENGTH = 10_000


def make_hostile(sections: Sections) -> Sections:
    """The same boxes and confidences under hostile texts; the first dense caption still equals the caption."""
    long_text = (FRAGMENTS[0] + "x" * LONG_TEXT_LENGTH)[:LONG_TEXT_LENGTH]
    dense = [(long_text if i == 0 else _text(i), sure, box) for i, (_, sure, box) in enumerate(sections.dense_captions)]
    return replace(
        sections,
        caption=(long_text, sections.caption[1]),
        dense_captions=dense,
        tags=[(_text(i), sure) for i, (_, sure) in enumerate(sections.tags)],
        objects=[(_text(i), sure, box) for i, (_, sure, box) in enumerate(sections.objects)],
        colour_shares=[(_text(i), sure) for i, (_, sure) in enumerate(sections.colour_shares)],
        lines=[_line(i, fragment) for i, fragment in enumerate(FRAGMENTS)],
    )


def _text(index: int) -> str:
    """Unique for each index, as tag names have to be."""
    return f"{FRAGMENTS[index % len(FRAGMENTS)]} {index}"


def _line(index: int, fragment: str) -> Line:
    text = fragment.replace("\n", " ")
    y = 8 * index
    words = [
        Word(word, (8 * i, y, 8 * i + 7, y, 8 * i + 7, y + 7, 8 * i, y + 7), 0.5)
        for i, word in enumerate(text.split(" "))
    ]
    return Line(text, (0, y, 49, y, 49, y + 7, 0, y + 7), tuple(words))
