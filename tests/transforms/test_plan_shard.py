"""Planning: every reference in exactly one place, whatever the history; budgets to the image."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.history import Block, KnownDead
from image_analysis_beam.transforms.plan import RedrivePolicy, budget_bucket, cut_of, plan_shard, why_called

MINE, OTHER = "v1-mine", "v1-other"
IDS = st.integers(0, 12).map(lambda number: f"{number:032x}")
FINGERPRINTS = st.sampled_from([MINE, OTHER])
DEAD = st.builds(KnownDead, st.booleans(), st.integers(0, 4), st.none() | st.integers(0, 9), st.integers(0, 9))


@given(
    st.lists(st.builds(ImageRef, st.text(max_size=3), IDS, st.just("shown")), max_size=30),
    st.lists(st.tuples(IDS, FINGERPRINTS)),
    st.lists(st.tuples(IDS, FINGERPRINTS, st.sampled_from(["a", "b"]), st.integers(0, 50))),
    st.lists(st.tuples(IDS, st.just(MINE), DEAD)),
    st.lists(st.tuples(IDS, st.just(MINE))),
    st.sampled_from(["retryable", "all", "none"]),
)
def test_every_reference_is_in_one_place(images, answered, journalled, dead, deferred, redrive):
    kinds = {"answered": answered, "journalled": journalled, "dead": dead, "deferred": deferred}
    history = [Block(kind, rows) for kind, rows in kinds.items()]
    plan = plan_shard([images[:10], images[10:]], history, MINE, RedrivePolicy(redrive))

    called = [to_do.image.image_id for to_do in plan.to_do]
    assert len(images) == len(called) + len(plan.duplicates) + sum(plan.skipped.values()) + plan.recovered_inputs
    assert len(called) == len(set(called))
    paid = {image_id for image_id, fingerprint in answered if fingerprint == MINE}
    paid |= {image_id for image_id, fingerprint, _, _ in journalled if fingerprint == MINE}
    assert not paid.intersection(called)
    taken = [(path, row) for path, rows in plan.recovered.items() for row in rows]
    wanted = {(image_id, fingerprint) for image_id, fingerprint, _, _ in journalled} - set(answered)
    assert len(taken) == len(set(wanted)) == plan.recovered_inputs + plan.recovered_extra
    assert sum(Counter(map(why_called, plan.to_do)).values()) == len(called)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), max_size=60), st.integers(0, 70))
def test_the_cut_takes_exactly_the_budget(items, budget):
    counts = Counter((priority, str(bucket)) for priority, bucket in items)
    cut = cut_of(counts, budget)
    if cut is None:
        assert len(items) <= budget
    else:
        assert sum(number for bucket, number in counts.items() if bucket < cut.bucket) + cut.take == budget
        assert cut.take < counts[cut.bucket]


def test_what_was_deferred_is_called_before_what_is_new():
    images = [ImageRef("a", f"{number:032x}", "a") for number in range(4)]
    history = [Block("deferred", [(images[2].image_id, MINE)])]
    plan = plan_shard([images], history, MINE, RedrivePolicy())
    first = min(plan.to_do, key=budget_bucket)
    assert first.image == images[2]
    assert why_called(first) == "deferred_before"
