from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from image_analysis_beam.transforms.endpoint.retry_after import wait_asked_for

NOW = 1_700_000_000.0
IN_WORDS = "have exceeded call rate limit of your tier. Please retry after 40 seconds. To increase …"


@pytest.mark.parametrize(
    ("headers", "message", "wait"),
    [
        ({"Retry-After": "38"}, "", 38),
        ({"retry-after": "1.5"}, "", 1.5),
        ({"Retry-After": "0"}, "", 0),
        ({"Retry-After": formatdate(NOW + 25, usegmt=True)}, "", 25),
        ({"Retry-After": formatdate(NOW - 25, usegmt=True)}, "", 0),
        ({"retry-after-ms": "250"}, "", 0.25),
        ({"x-ms-retry-after-ms": "250"}, "", 0.25),
        ({}, IN_WORDS, 40),
        ({}, "Rate limit is exceeded. Try again in 86400 seconds.", 86_400),
        ({}, "Out of call volume quota. Please retry after 3 days.", 3 * 86_400),
        ({"Retry-After": "5", "retry-after-ms": "9000"}, IN_WORDS, 5),
        ({"Retry-After": "soon", "retry-after-ms": "9000"}, IN_WORDS, 9),
        ({"Retry-After": "soon"}, "wait", None),
        ({"Retry-After": "-3"}, "", None),
        ({}, "", None),
    ],
)
def test_wait(headers, message, wait):
    assert wait_asked_for(CaseInsensitiveDict(headers), message, NOW) == wait


@given(st.text(), st.text())
def test_nothing_makes_it_fail(header, message):
    wait = wait_asked_for({"Retry-After": header, "retry-after-ms": header}, message, NOW)
    assert wait is None or wait >= 0
