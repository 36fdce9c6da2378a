"""What is printed: escaped where it would move the cursor, and no matter of the run's where it cannot be printed."""

from __future__ import annotations

import io
import sys

import pytest

from image_analysis_beam.pipeline.terminal import out, printable, say
from image_analysis_beam.pipeline.views.text import table_text
from stand_ins.forked import run_forked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines, é, 日本", "two\nlines, é, 日本"),
        ("\x1b[31mred\r", "\\x1b[31mred\\r"),
        ("right \u202e to left", "right \\u202e to left"),
        ("caf\udce9", "caf\\xe9"),
    ],
)
def test_what_does_not_print_is_escaped(text, shown):
    assert printable(text) == shown


def test_show_keeps_its_columns_whatever_the_tables_hold():
    names, rows = (
        ["image_uri", "text", "words"],
        [("a.png", "one\nline", ["a", "b"]), ("b\x1b[2J.png", "tab\there", [])],
    )
    (text,) = table_text(names, [rows])
    assert [line.rstrip() for line in text.splitlines()] == [
        "image_uri     text      words",
        "a.png         one line  a, b",
        "b\\x1b[2J.png  tab here",
    ]


class Closed(io.StringIO):
    def write(self, text):
        raise OSError(5, "Input/output error")


def test_a_terminal_that_is_gone_fails_nothing(monkeypatch):
    for stream in (Closed(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        say("nobody hears")
    monkeypatch.setattr(sys, "stdout", None)
    out("nobody reads")


def test_a_stream_of_a_program_needs_no_encoding(monkeypatch):
    """As that of Celery, which logs what is printed."""

    class Logged:
        def __init__(self):
            self.lines = []
            self.write, self.flush = self.lines.append, lambda: None

    monkeypatch.setattr(sys, "stderr", Logged())
    say("Zürich")
    assert sys.stderr.lines == ["Zürich\n"]


def test_what_an_encoding_lacks_is_escaped(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    out("Zürich …")
    assert written.getvalue() == b"Z\\xfcrich \\u2026\n"


def test_results_that_cannot_be_written_are_an_error():
    program = "from image_analysis_beam.pipeline.terminal import out; out('lost')"
    with open("/dev/full", "w") as full:
        finished = run_forked([sys.executable, "-c", program], stdout=full)
    assert finished.returncode == 1
    last = finished.stderr.splitlines()[-1]
    assert last.endswith("NotPrinted: the results could not be printed (No space left on device)")
