"""Headers by their grammar: what they say is read exactly, and nothing is read into them."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.headers import header_text, http_date, transactions, why_no_header

NOW = 1_700_000_000.0
anything = st.none() | st.text() | st.text(st.characters(max_codepoint=255)) | st.text("0123456789=,²٣ \t")
dates = st.integers(0, 4_000_000_000)


@given(dates)
def test_each_form_of_a_date_is_read_as_it_is_written(date):
    parts = time.gmtime(date)
    assert http_date(formatdate(date, usegmt=True), NOW) == date
    assert http_date(time.strftime("%A, %d-%b-%y %H:%M:%S GMT", parts), now=date) == date
    assert http_date(time.asctime(parts), NOW) == date


@pytest.mark.parametrize(("short", "year"), [("23", 2023), ("73", 2073), ("74", 1974), ("99", 1999)])
def test_two_digits_of_a_year_are_no_more_than_fifty_years_ahead(short, year):
    date = http_date(f"Monday, 01-Jan-{short} 00:00:00 GMT", NOW)
    assert time.gmtime(date).tm_year == year


@pytest.mark.parametrize(
    ("value", "units"),
    [
        ("CognitiveServices.ComputerVision.Transaction=1", 1),
        ("CognitiveServices.ComputerVision.Transaction=1, Other=2", 3),
        ("Transaction=0", 0),
        ("Transaction=1, Other=many", 1),
        *(((f"Transaction={number}"), None) for number in ("²", "٣", "-1", "1.0", "", "9" * 10, "1\x1f", "=1")),
        ("1", None),
        ("=1", None),
        ("", None),
        (None, None),
    ],
    ids=ascii,
)
def test_billed_units(value, units):
    assert transactions(value) == units


@given(anything)
def test_units_are_a_small_number_or_none(value):
    units = transactions(value)
    assert units is None or 0 <= units < 2**63


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("West US", "West US"),
        (" \tWest US ", "West US"),
        ("x" * 256, "x" * 256),
        *(
            (odd, None)
            for odd in (None, "", "  ", "x" * 257, "a\x00b", "a\x1f", "a\nb", "SÃ£o Paulo", "a\x85b", "a\tb")
        ),
    ],
    ids=ascii,
)
def test_text_for_a_table(value, text):
    assert header_text(value) == text


@given(anything)
def test_text_for_a_table_is_short_and_printable(value):
    text = header_text(value)
    assert text is None or (1 <= len(text) <= 256 and text.isascii() and text.isprintable())


@given(st.text() | st.text("ab\n“é\x7f "))
def test_a_text_is_refused_as_a_header_exactly_if_it_is_not_printable_ascii(value):
    why = why_no_header(value)
    assert (why is None) == (value != "" and value.isascii() and value.isprintable())


def test_why_a_text_is_no_header_does_not_quote_it():
    assert why_no_header("abc“def") == "its character number 4 is not printable ASCII"
    assert why_no_header("k" * 10_000) == "it has 10000 characters, more than 1024"
