"""Does Arrow's parser read what Python's does? Batches of answers whose text is changed at random, read by both.

    python tests/schemas/fuzz.py --seconds 600 [--seed 1]

Where the fast reading takes a batch, the exact one has to accept every answer of it and give the same tables, bit for
bit. Each disagreement is printed with its seed and bytes; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from image_analysis_beam.schemas.fast import Declined
from image_analysis_beam.schemas.flattening import flatten_exactly, flatten_fast

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.\w]+|\s+|.', re.DOTALL)

SPACES = [*" \t\n\r\v\f\0\x1a\x1c\x1f\x7f\x85\xa0\u200b\u2028\u3000\ufeff", "//\n", "/**/", "#\n", ",", "\\n"]
LITERALS = ["null", "true", "false", "Null", "NULL", "nul", "True", "undefined", "{}", "[]", "[null]", "[{}]", "[[]]"]
NUMBERS = [
    *("0", "-0", "-0.0", "-0e1", "0.0", "0e9", "1.0", "730.0", "730.5", "1e2", "1E+02", "1e-0", "1e-1", "-1", "01"),
    *("1.", ".5", "+1", "--1", "-", "1e", "1e+", "1.e1", "0x10", "1_0", "1f", "1d", "1L", "٣", "1e400", "-1e400"),
    *("1e-400", "0e99999999999", "1e-99999999999", "NaN", "-NaN", "nan", "Infinity", "-Infinity", "Inf", "-Inf"),
    *(str(sign * 2**power + more) for sign in (1, -1) for power in (31, 53, 63, 64, 128) for more in (-1, 0, 1)),
]
TEXTS = ['"a"', '"1"', '"NaN"', '"null"', '"2020-01-01"']
PIECES = [
    *("\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\ude00\\ud83d", "\\ud83d\\n", "\\u0000", "\\u0041", "\\U0041"),
    *("\\u041", "\\u 041", "\\u+041", "\\u00_1", "\\u００41", "\\/", "\\'", "\\x41", "\\0", "\\\n", "\\v", "\\", '\\"'),  # noqa: RUF001
    *('"', "'", "null", "NaN", "}{", "}\\n{", "}\n{", "\t", "\n", "\0", "\x7f", "\x85", "\u2028", "\uffff", "é"),
    "\U0010ffff",
]
KEYS = ['""', '"Text"', '"text"', '"values"', '"pages"', '"kind"', '"x"', "text", "'text'", '"text\\u0000"', "null"]
MARKS = "{}[]\":,0123456789.eE+-\\untrfalsNI \t\r\n\v\f\0\ufeff/*#'_"
DOCUMENTS = ["{}", "}{", "\n{}\n", "null", "\0{}", '{"a":1}', "[]"]


class PlainAnswer:
    """Small answers that are the contract, with some of the sections."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def make(self) -> dict[str, Any]:
        makers: list[tuple[str, Callable[[], Any]]] = [
            ("captionResult", self._captioned),
            ("denseCaptionsResult", lambda: self._values(lambda: self._captioned() | self._boxed())),
            ("tagsResult", lambda: self._values(self._named)),
            ("objectsResult", lambda: self._values(self._thing)),
            ("readResult", self._read),
            ("smartCropsResult", lambda: self._values(lambda: {"aspectRatio": self._number()} | self._boxed())),
            ("peopleResult", lambda: self._values(lambda: {"confidence": self._number()} | self._boxed())),
            ("customModelResult", self._custom),
        ]
        sections = self._rng.sample(makers, self._rng.randrange(4))
        held = {name: make() if self._rng.random() < 0.9 else None for name, make in sections}
        return {"modelVersion": self._text(), "metadata": {"width": 60, "height": 50}} | held

    def _text(self) -> str:
        letters = ["a", "null", " ", "é", "\U0001f600", '"', "\\", "\n", "{", "}"]
        return "".join(self._rng.choices(letters, k=self._rng.randrange(4)))

    def _number(self) -> float:
        return self._rng.choice([self._rng.random(), 0, 1, 1e-9])

    def _boxed(self) -> dict[str, Any]:
        return {"boundingBox": {side: self._rng.randrange(-9, 2000) for side in "xywh"}}

    def _polygon(self) -> list[dict[str, int]]:
        return [{"x": self._rng.randrange(2000), "y": self._rng.randrange(2000)} for _ in range(4)]

    def _several(self, make: Callable[[], Any]) -> list[Any]:
        return [make() for _ in range(self._rng.randrange(3))]

    def _values(self, make: Callable[[], Any]) -> dict[str, Any]:
        return {"values": self._several(make)}

    def _captioned(self) -> dict[str, Any]:
        return {"text": self._text(), "confidence": self._number()}

    def _named(self) -> dict[str, Any]:
        return {"name": self._text(), "confidence": self._number()}

    def _thing(self) -> dict[str, Any]:
        identity = self._rng.choice([{}, {"id": self._text()}, {"id": None}])
        return self._boxed() | {"tags": self._several(self._named)} | identity

    def _read(self) -> dict[str, Any]:
        return self._rng.choice([{}, {"blocks": None}, {"blocks": self._several(self._block)}])

    def _block(self) -> dict[str, Any]:
        return {"lines": self._several(self._line)}

    def _line(self) -> dict[str, Any]:
        return {"text": self._text(), "boundingPolygon": self._polygon(), "words": self._several(self._word)}

    def _word(self) -> dict[str, Any]:
        return self._captioned() | {"boundingPolygon": self._polygon()}

    def _custom(self) -> dict[str, Any]:
        sections = [("tagsResult", self._values(self._named)), ("objectsResult", self._values(self._thing))]
        return dict(self._rng.sample(sections, self._rng.randrange(3)))


def number(rng: random.Random) -> str:
    """A number, or nearly one: of any size, near to where types end, spelled as few do."""
    kind = rng.randrange(5)
    if kind == 0:
        return repr(struct.unpack("<d", rng.randbytes(8))[0]).replace("inf", "1e999")
    if kind == 1:
        digits = "".join(rng.choices("0123456789", k=rng.randrange(1, 40)))
        return f"{rng.choice(['', '-'])}{digits}{rng.choice(['', f'.{digits}', '.0', f'e{rng.randrange(-400, 400)}'])}"
    if kind == 2:
        return str(rng.randrange(-(10 ** rng.randrange(1, 11)), 10 ** rng.randrange(1, 11)))
    if kind == 3:
        return format(rng.uniform(-2, 2), rng.choice([".17g", ".25f", "e", ".3E", ".20e", ".1f", ".0f", ".60f"]))
    return rng.choice(NUMBERS)


def string(rng: random.Random, token: str) -> str:
    """A text with something put into it, or a letter of it spelled another way."""
    at = rng.randrange(1, max(2, len(token)))
    if rng.random() < 0.3 and token[at : at + 1].isalnum() and token[at - 1] != "\\":
        return f"{token[:at]}\\u{ord(token[at]) & 0xFFFF:04x}{token[at + 1 :]}"
    return token[:at] + rng.choice(PIECES) + token[at:]


def change(tokens: list[str], rng: random.Random) -> None:
    """Changes the tokens of an answer at one place: more often to what may still be read than to what is broken."""
    places: dict[str, list[int]] = {"name": [], "text": [], "number": []}
    for index, token in enumerate(tokens):
        is_name = tokens[index + 1 : index + 2] and tokens[index + 1].strip() == ":"
        kind = "name" if is_name else "text" if token[:1] == '"' else "number" if token[:1].isdigit() else ""
        places.get(kind, []).append(index)
    at = {kind: rng.choice(found or [rng.randrange(len(tokens))]) for kind, found in places.items()}
    kind = rng.choice(["number", "number", "text", "text", "space", "space", "name", "member", "other", "broken"])
    if kind == "number":
        tokens[at["number"]] = number(rng)
    elif kind in ("text", "name"):
        tokens[at[kind]] = string(rng, tokens[at[kind]])
    elif kind == "space":
        tokens.insert(rng.choice([0, len(tokens), rng.randrange(len(tokens))]), rng.choice(SPACES))
    elif kind == "member":
        name = rng.choice([tokens[at["name"]], string(rng, tokens[at["name"]]), rng.choice(KEYS)])
        tokens.insert(at["name"], f"{name}:{rng.choice([*LITERALS, number(rng), tokens[at['number']]])},")
    elif kind == "other":
        tokens[at[rng.choice(["text", "number"])]] = rng.choice([*LITERALS, *TEXTS, number(rng)])
    else:
        break_tokens(tokens, rng)


def break_tokens(tokens: list[str], rng: random.Random) -> None:
    """Changes the tokens of an answer so that it is hardly JSON any more."""
    at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    kind = rng.randrange(6)
    if kind == 0:
        tokens[at] = rng.choice([*LITERALS, *KEYS, *SPACES, *"{}[],:", number(rng), ""])
    elif kind == 1:
        tokens.insert(at, tokens[other])
    elif kind == 2:
        tokens[at], tokens[other] = tokens[other], tokens[at]
    elif kind == 3:
        del tokens[at : at + rng.choice([1, 1, 2, 4])]
    elif kind == 4:
        tokens[at] = tokens[at][:1] + rng.choice(MARKS) + tokens[at][rng.choice([1, 1, 2]) :]
    else:
        tokens[rng.choice([0, len(tokens) - 1, at])] += rng.choice(DOCUMENTS)


def body(rng: random.Random, changes: int) -> str:
    """The text of an answer, changed so many times."""
    spacing = rng.choice([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")])
    plain = json.dumps(PlainAnswer(rng).make(), ensure_ascii=rng.random() < 0.5, separators=spacing)
    tokens = TOKEN.findall(plain)
    for _ in range(changes):
        change(tokens, rng)
    return "".join(tokens)


def batch(rng: random.Random) -> list[str]:
    """A few answers, one of them changed, and seldom another."""
    changes = [rng.choice([1, 1, 1, 2, 3]), *rng.choices([0, 1], [9, 1], k=rng.choice([0, 0, 1, 3]))]
    return [body(rng, number) for number in rng.sample(changes, len(changes))]


def disagreement(bodies: list[str]) -> str | None:
    """What the two readings of these answers differ in; None where they agree, "" where the fast one declines."""
    column = pa.array(bodies, pa.string())
    try:
        fast = flatten_fast(column)
    except Declined:
        return ""
    exact = flatten_exactly(column)
    if exact.rejected or exact.unknown:
        return f"the exact reading refuses {exact.rejected}, or does not know {dict(exact.unknown)}"
    # Arrow's equality does not tell -0.0 from 0.0, their spelling does.
    signed = any("-0" in text for text in bodies)
    for name, table in exact.tables.items():
        fast.tables[name].validate(full=True)
        if not fast.tables[name].equals(table):
            return f"table {name} differs"
        if signed and repr(fast.tables[name].to_pylist()) != repr(table.to_pylist()):
            return f"table {name} differs in the sign of a zero"
    return None


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="of the first batch, the others follow; a random one if not given")
    flags = parser.parse_args(argv)
    first = seed = random.SystemRandom().randrange(2**48) if flags.seed is None else flags.seed
    taken = disagreements = 0
    print(f"seed {seed}", flush=True)
    ends_at = time.monotonic() + flags.seconds
    while time.monotonic() < ends_at:
        bodies = batch(random.Random(seed))
        found = disagreement(bodies)
        taken += found != ""
        if found:
            disagreements += 1
            print(f"--seed {seed}: {found}", *(text.encode() for text in bodies), sep="\n  ", flush=True)
        seed += 1
    print(f"{seed - first} batches, {taken} read by Arrow, {disagreements} disagreements")
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
