"""Ids that changed: what is known under a former one counts where exactly one listed image had it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.uri import ImageRef, former_image_id
from image_analysis_beam.transforms.ledger.history import Block, KnownDead
from image_analysis_beam.transforms.ledger.plan import plan_shard
from image_analysis_beam.transforms.ledger.redrive import RedrivePolicy

MINE, OTHER = "v1-mine", "v1-other"
PLAIN, A, B = (ImageRef.of(f"https://h/x{query}") for query in ("", "?token=A", "?token=B"))
FORMER = PLAIN.image_id


def plan(images, kind="answered", rows=((FORMER, MINE),)):
    return plan_shard([list(images)], [Block(kind, list(rows), {MINE: 1})], ["tags"], RedrivePolicy())


def test_one_image_had_the_id():
    planned = plan([A, A])
    assert (planned.skipped, planned.by_former_id) == ({"answered": 1}, {A.image_id})
    assert planned.duplicates == [A]
    assert not planned.to_do


@pytest.mark.parametrize(("images", "called"), [([A, B], {A, B}), ([PLAIN, A], {A}), ([PLAIN, A, B], {A, B})])
def test_several_images_had_the_id(images, called):
    planned = plan(images)
    assert {to_do.image for to_do in planned.to_do} == called
    assert planned.skipped.get("answered", 0) == (PLAIN in images)
    assert not planned.by_former_id


def test_an_answer_to_another_request_does_not_count():
    planned = plan([A], rows=[(FORMER, OTHER)])
    assert [to_do.image for to_do in planned.to_do] == [A]
    assert not planned.by_former_id


def test_a_journalled_answer_is_taken_over():
    planned = plan([A], "journalled", [(FORMER, MINE, 1, "segment", 7)])
    assert planned.recovered == {"segment": [7]}
    assert (planned.recovered_inputs, planned.recovered_extra) == (1, 0)
    assert planned.by_former_id == {A.image_id}


def test_failures_are_known_too():
    dead = KnownDead(True, 1, 5, 9, "service_error")
    (to_do,) = plan([A], "dead", [(FORMER, MINE, dead)]).to_do
    assert (to_do.image.redrive_count, to_do.image.first_attempt_us, to_do.image.failed_before) == (2, 5, True)
    assert plan([A], "dead", [(FORMER, MINE, dead._replace(retryable=False))]).skipped == {"known_bad": 1}
    (to_do,) = plan([A], "deferred", [(FORMER, MINE, "outage")]).to_do
    assert to_do.priority == 0


URIS = st.sampled_from(
    ["https://h/x", *(f"https://h/x?{query}" for query in ("token=A", "token=B", "auth=A&w=1", "w=1"))]
)
ANSWERS = st.tuples(URIS, st.sampled_from([MINE, OTHER]), st.booleans())


def ids_of(answers):
    """The ids under which URIs were answered: the former ones where they are said to be of an earlier version."""
    for uri, fingerprint, was_earlier in answers:
        image_id = (former_image_id(uri) if was_earlier else None) or ImageRef.of(uri).image_id
        yield image_id, fingerprint


@given(st.lists(URIS, max_size=8), st.lists(ANSWERS, max_size=6), st.lists(ANSWERS, max_size=4))
def test_nothing_is_lost_and_nothing_counts_for_two(listed, answered, journalled):
    history = [
        Block("answered", list(ids_of(answered)), {MINE: 1}),
        Block(
            "journalled",
            [(*row, number, "segment", number) for number, row in enumerate(ids_of(journalled))],
            {MINE: 1},
        ),
    ]
    images = [ImageRef.of(uri) for uri in listed]
    planned = plan_shard([images], history, ["tags"], RedrivePolicy())

    called = {to_do.image.image_id for to_do in planned.to_do}
    settled = {image.image_id for image in images} - called
    held = {image_id for image_id, fingerprint in [*ids_of(answered), *ids_of(journalled)] if fingerprint == MINE}
    claims = Counter(former or image_id for image_id, former in {(i.image_id, former_image_id(i.uri)) for i in images})
    for image in images:
        former = former_image_id(image.uri)
        counts = image.image_id in held or (former in held and claims[former] == 1)
        assert (image.image_id in settled) == counts
    assert planned.by_former_id <= settled
    assert len(images) == (
        len(called) + len(planned.duplicates) + sum(planned.skipped.values()) + planned.recovered_inputs
    )
    taken = sum(map(len, planned.recovered.values()))
    assert taken == planned.recovered_inputs + planned.recovered_extra
