"""How long to wait: the forms that are read, and everything else, which asks for nothing."""

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from image_analysis_beam.transforms.endpoint.retry_after import wait_asked_for

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
LONGEST = 2**31
IN_WORDS = "have exceeded call rate limit of your tier. Please retry after 40 seconds. To increase …"


@pytest.mark.parametrize(
    ("headers", "message", "wait"),
    [
        ({"Retry-After": "38"}, "", 38),
        ({"retry-after": " 038\t"}, "", 38),
        ({"Retry-After": "0"}, "", 0),
        ({"Retry-After": "9" * 5000}, "", LONGEST),
        ({"Retry-After": formatdate(NOW + 25, usegmt=True)}, "", 25),
        ({"Retry-After": formatdate(NOW - 25, usegmt=True)}, "", 0),
        ({"Retry-After": "Tuesday, 14-Nov-23 22:13:45 GMT"}, "", 25),
        ({"Retry-After": "Tue Nov 14 22:13:45 2023"}, "", 25),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:60 GMT"}, "", LONGEST),
        ({"Retry-After": "Mon, 01 Jan 0001 00:00:00 GMT"}, "", 0),
        ({"retry-after-ms": "250"}, "", 0.25),
        ({"x-ms-retry-after-ms": "250"}, "", 0.25),
        ({"retry-after-ms": "soon", "x-ms-retry-after-ms": "250"}, "", 0.25),
        ({}, IN_WORDS, 40),
        ({}, "Rate limit is exceeded. Try again in 86400 seconds.", 86_400),
        ({}, "Out of call volume quota. Please retry after 3 days.", 3 * 86_400),
        ({}, f"retry after {'9' * 1000} days", LONGEST),
        ({"Retry-After": "5", "retry-after-ms": "9000"}, IN_WORDS, 5),
        ({"Retry-After": "soon", "retry-after-ms": "9000"}, IN_WORDS, 9),
        ({"Retry-After": "soon"}, "wait", None),
        ({}, "", None),
    ],
)
def test_wait(headers, message, wait):
    assert wait_asked_for(CaseInsensitiveDict(headers), message, NOW) == wait


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "-3", "+3", "1.5", "1e3", "0x10", "1_000", "inf", "nan", "3, 5", "3;q=1"),
        *("1\x1f", "\x1f1", "1\n", "1\x00", "1\xa0", "1\x85", "²", "٣", "\uff13"),
        *("Tue, 14 Nov 2023 22:13:45 +0000", "Tue, 14 Nov 2023 22:13:45", "14 Nov 2023 22:13:45 GMT", "2023-11-14"),
        *("tue, 14 nov 2023 22:13:45 gmt", "Tue, 14 Nov 2023 24:13:45 GMT", "Tue, 30 Feb 2023 22:13:45 GMT"),
        *("Tue, 14 Nov 0000 22:13:45 GMT", "Tue, 14 Nov 2023 22:13:61 GMT", "Tue, ١٤ Nov 2023 22:13:45 GMT"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("header", ["Retry-After", "retry-after-ms", "x-ms-retry-after-ms"])
def test_what_is_not_the_grammar_asks_for_nothing(header, value):
    assert wait_asked_for({header: value}, "", NOW) is None


@pytest.mark.parametrize("message", ["retry after ٣ seconds", "try again in 5 \u017feconds", "retry after ² days"])
def test_what_only_looks_like_the_words_asks_for_nothing(message):
    assert wait_asked_for({}, message, NOW) is None


header_values = st.one_of(
    st.text(),
    st.text(st.characters(max_codepoint=255)),
    st.from_regex(r"\s*\d*(\.\d+)?\s*"),
    st.from_regex(r"\A\w{3,9}, \d\d[ -]\w{3}[ -]\d{2,4} \d\d:\d\d:\d\d GMT\Z"),
    st.from_regex(r"\A(Mon|Sun) (Feb|Dec) [ 0-9]\d \d\d:\d\d:\d\d \d{4}\Z"),
)


@given(
    header_values, header_values, st.from_regex(r"(?i)(retry after|try again in) \d+(\.\d+)? (second|day)s") | st.text()
)
def test_whatever_is_said_is_a_wait_or_none(header, milliseconds, message):
    headers = {"Retry-After": header, "retry-after-ms": milliseconds}
    wait = wait_asked_for(headers, message, NOW)
    assert wait is None or (math.isfinite(wait) and 0 <= wait <= LONGEST)


@given(st.integers(0, LONGEST))
def test_seconds_are_read_as_they_are_written(seconds):
    assert wait_asked_for({"Retry-After": str(seconds)}, "", NOW) == seconds
