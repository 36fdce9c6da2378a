"""Planning: every reference in exactly one place, whatever the history; budgets to the image."""

from collections import Counter
from decimal import Decimal
from math import inf

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.schemas import TABLES
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from image_analysis_beam.transforms.endpoint.faults import UNSETTLED
from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.ledger.budget import Budget, affordable, budget_bucket, cut_of
from image_analysis_beam.transforms.ledger.history import Block, HistoryFile, KnownDead, scan
from image_analysis_beam.transforms.ledger.plan import plan_after_look, plan_shard
from image_analysis_beam.transforms.ledger.redrive import EVERYTHING, REDRIVES, RedrivePolicy

FEATURES = ("caption", "tags")
MINE, CAPTION, TAGS, OTHER = "v1-mine", "v1-caption", "v1-tags", "v1-other"
ANSWERS = {MINE: 3, CAPTION: 1, TAGS: 2}
IDS = st.integers(0, 12).map(lambda number: f"{number:032x}")
FINGERPRINTS = st.sampled_from([MINE, CAPTION, TAGS, OTHER])
CLASSES = st.sampled_from(["service_error", "rejected_image"])
PLACES = (st.integers(0, 9), st.sampled_from(["a", "b"]), st.integers(0, 50))
DEAD = st.builds(
    KnownDead,
    st.booleans(),
    st.integers(0, 4),
    st.none() | st.integers(0, 9),
    st.integers(0, 9),
    CLASSES,
    st.integers(0, 1),
)
IMAGE = ImageRef("a", "0" * 32, "a")


def block(kind, rows, number=0):
    return Block(kind, rows, ANSWERS, number)


def plan_one(*blocks, policy=None):
    return plan_shard(
        [[IMAGE]], [block(kind, [(IMAGE.image_id, *row)]) for kind, *row in blocks], FEATURES, policy or RedrivePolicy()
    )


@given(
    st.lists(st.builds(ImageRef, st.text(max_size=3), IDS, st.just("shown")), max_size=30),
    st.lists(st.tuples(IDS, FINGERPRINTS)),
    st.lists(st.tuples(IDS, FINGERPRINTS, *PLACES)),
    st.lists(st.tuples(IDS, FINGERPRINTS, *PLACES, CLASSES)),
    st.lists(st.tuples(IDS, FINGERPRINTS, DEAD)),
    st.lists(st.tuples(IDS, st.just(MINE), st.sampled_from(["outage", UNSETTLED]))),
    st.sampled_from([*REDRIVES, "rejected_image"]),
)
def test_every_reference_is_in_one_place(images, answered, journalled, journalled_dead, dead, deferred, redrive):
    kinds = {"answered": answered, "journalled": journalled, "dead": dead, "deferred": deferred}
    kinds["journalled_dead"] = journalled_dead
    history = [block(kind, rows) for kind, rows in kinds.items()]
    plan = plan_shard([images[:10], images[10:]], history, FEATURES, RedrivePolicy(redrive))

    called = {to_do.image.image_id: to_do.image for to_do in plan.to_do}
    assert len(images) == len(called) + len(plan.duplicates) + sum(plan.skipped.values()) + plan.recovered_inputs
    assert len(called) == len(plan.to_do)
    for image_id, paid in answers_of([*answered, *journalled]).items() if redrive != EVERYTHING else ():
        if image_id in called:
            asked = called[image_id].asks.split(",") if called[image_id].asks else FEATURES
            assert not {name for bit, name in enumerate(FEATURES) if paid >> bit & 1}.intersection(asked)
    assert len([*rows_of(plan.recovered), *rows_of(plan.recovered_dead)]) == (
        plan.recovered_inputs + plan.recovered_extra
    )
    assert Counter(rows_of(plan.recovered)) <= Counter((path, row) for _, _, _, path, row in journalled)


def answers_of(rows):
    answers = {}
    for image_id, asked, *_ in rows:
        answers[image_id] = answers.get(image_id, 0) | ANSWERS.get(asked, 0)
    return answers


def rows_of(recovered):
    return [(path, row) for path, rows in recovered.items() for row in rows]


def test_of_several_answers_to_one_request_the_newest_is_taken():
    rows = [("0" * 32, MINE, answered_at, f"{answered_at}.parquet", 7) for answered_at in (1, 3, 2)]
    plan = plan_shard([], [block("journalled", [row]) for row in rows], [], RedrivePolicy())
    assert plan.recovered == {"3.parquet": [7]}


def test_a_journalled_answer_that_no_table_could_hold_is_not_taken_over_again():
    """It is a dead letter, with the same time."""
    dead = KnownDead(False, 0, 5, 9, "malformed_response")
    plan = plan_one(("dead", OTHER, dead), ("journalled", OTHER, 9, "segment", 0))
    assert plan.recovered == {}


def test_of_a_dead_letter_only_a_later_call_is_taken_over():
    """A run that was taken over may journal late what the next one had called again."""
    dead = ("dead", MINE, KnownDead(False, 1, 5, 9, "rejected_image"))
    for redriven, taken in ((0, {}), (1, {}), (2, {"segment": [3]})):
        late = ("journalled_dead", MINE, redriven, "segment", 3, "rejected_image")
        assert plan_one(dead, late).recovered_dead == taken


def test_what_was_called_after_a_dead_letter_without_a_call_is_taken_over():
    missing = ("dead", MINE, KnownDead(True, 0, None, 0, "unreadable_image", attempts=0))
    plan = plan_one(missing, ("journalled_dead", MINE, 0, "segment", 3, "rejected_image"))
    assert (plan.recovered_dead, plan.recovered_inputs, plan.to_do) == ({"segment": [3]}, 1, [])


@pytest.mark.parametrize(
    ("known", "asks", "why"),
    [
        ([], "", "new"),
        ([("answered", CAPTION)], "tags", "more"),
        ([("answered", TAGS), ("journalled", CAPTION, 1, "segment", 0)], None, None),
        ([("journalled", CAPTION, 1, "segment", 0)], "tags", "more"),
        ([("answered", OTHER)], "", "new"),
        ([("dead", TAGS, KnownDead(True, 0, 5, 9, "service_error"))], "", "redriven"),
        ([("answered", CAPTION), ("dead", CAPTION, KnownDead(True, 0, 5, 9, "service_error"))], "tags", "more"),
        ([("answered", TAGS), ("deferred", MINE, "outage")], "caption", "deferred_before"),
        # Of an image that was answered a fault is past; of one that never was, it holds whatever is asked.
        ([("answered", OTHER), ("dead", OTHER, KnownDead(False, 0, 5, 9, "rejected_image"))], "", "new"),
        ([("dead", OTHER, KnownDead(False, 0, 5, 9, "rejected_image"))], None, None),
        ([("dead", OTHER, KnownDead(False, 0, 5, 9, "malformed_response"))], "", "new"),
        ([("journalled_dead", OTHER, 0, "segment", 0, "rejected_image")], None, None),
        ([("journalled_dead", CAPTION, 0, "segment", 0, "service_error")], "tags", "more"),
    ],
)
def test_wanted_minus_held_is_asked(known, asks, why):
    plan = plan_one(*known)
    assert [(to_do.image.asks, to_do.why) for to_do in plan.to_do] == ([] if asks is None else [(asks, why)])


DEAD_LETTER = KnownDead(False, 1, 5, 9, "rejected_image")


@pytest.mark.parametrize(
    ("redrive", "dead", "skipped"),
    [
        ("none", DEAD_LETTER._replace(retryable=True), "known_bad"),
        ("retryable", DEAD_LETTER, "known_bad"),
        ("retryable", DEAD_LETTER._replace(retryable=True), None),
        ("failed", DEAD_LETTER, None),
        ("failed", DEAD_LETTER._replace(redrive_count=3), "redrives_spent"),
        ("failed", DEAD_LETTER._replace(redrive_count=3, attempts=0), None),
        ("everything", DEAD_LETTER._replace(redrive_count=3), None),
        ("invalid_image, rejected_image", DEAD_LETTER, None),
        ("invalid_image", DEAD_LETTER, "known_bad"),
        ("changed", DEAD_LETTER, "known_bad"),
        ("changed", DEAD_LETTER._replace(retryable=True), None),
        ("changed,none", DEAD_LETTER._replace(retryable=True), "known_bad"),
        ("changed,failed", DEAD_LETTER, None),
        ("rejected_image,changed", DEAD_LETTER, None),
    ],
)
def test_what_is_called_again(redrive, dead, skipped):
    plan = plan_one(("dead", MINE, dead), policy=RedrivePolicy(redrive))
    assert plan.skipped == ({skipped: 1} if skipped else {})
    if not skipped:
        assert plan.to_do[0].image.redrive_count == dead.redrive_count + dead.attempts, "no call spends no redrive"


def test_a_class_that_no_dead_letter_has_is_refused():
    for redrive in ("all", "retryable,failed", "rejected_request", "changed,everything", "changed,all", ""):
        with pytest.raises(
            ConfigurationError, match="is one of none, retryable, failed, changed, everything, or classes"
        ):
            RedrivePolicy(redrive)


@pytest.mark.parametrize(
    "journalled", [("journalled", MINE, 5, "segment", 0), ("journalled_dead", MINE, 0, "segment", 0, "rejected_image")]
)
@pytest.mark.parametrize("redrive", REDRIVES)
@pytest.mark.parametrize("answered", ["answered", "answered_of"])
def test_what_a_run_that_died_had_asked_anew_is_taken_over_whatever_is_asked(answered, redrive, journalled):
    """Answered by the third of all committed runs; the one that died began after two of them, or after all three."""
    policy = RedrivePolicy(redrive)
    answer = block(answered, [(IMAGE.image_id, MINE, *(UNKNOWN if answered == "answered_of" else ()))], 2)
    for known, recovered in ((2, {}), (3, {"segment": [0]})):
        journal = block(journalled[0], [(IMAGE.image_id, *journalled[1:])], known)
        plan = plan_shard([[IMAGE]], [journal, answer], FEATURES, policy)
        assert plan.recovered | plan.recovered_dead == recovered
        assert (len(plan.to_do), plan.recovered_inputs) == (int(policy.is_anew and not recovered), len(recovered))


FIRST, SECOND, UNKNOWN = ("etag 1", 10, "hash 1"), ("etag 2", 10, "hash 2"), (None, None, None)


@pytest.mark.parametrize(
    ("answers", "to_look_at", "changed", "asks"),
    [
        ([(MINE, 1, *FIRST)], {FIRST: 3}, 0, None),
        ([(MINE, 1, *FIRST)], {FIRST: 3}, 3, ""),
        ([(MINE, 1, *FIRST)], {FIRST: 3}, None, None),
        ([(CAPTION, 1, *FIRST)], {FIRST: 1}, 0, "tags"),
        ([(CAPTION, 1, *FIRST), (TAGS, 2, *SECOND)], {FIRST: 1, SECOND: 2}, 1, "caption"),
        ([(MINE, 2, *SECOND), (MINE, 1, *FIRST)], {SECOND: 3}, 0, None),
        ([(TAGS, 2, *UNKNOWN), (MINE, 1, *FIRST)], {FIRST: 1}, 1, "caption"),
        ([(MINE, 1, *UNKNOWN)], {}, None, None),
        ([(OTHER, 1, *FIRST)], {}, None, ""),
    ],
)
def test_what_was_answered_of_another_content_is_asked_again(answers, to_look_at, changed, asks):
    policy = RedrivePolicy("changed")
    blocks = [block("answered_of", [(IMAGE.image_id, asked, *content)], at) for asked, at, *content in answers]
    plan = plan_shard([[IMAGE]], blocks, FEATURES, policy)
    assert [case.contents for case in plan.to_look_at] == ([to_look_at] if to_look_at else [])
    if to_look_at:
        plan = plan_after_look([(plan.to_look_at[0], changed)], FEATURES, policy)
    assert [to_do.image.asks for to_do in plan.to_do] == ([] if asks is None else [asks])
    assert [to_do.why == "changed" for to_do in plan.to_do] == ([] if asks is None else [bool(changed)])
    reason = "unseen" if to_look_at and changed is None else "answered"
    assert plan.skipped == ({reason: 1} if asks is None else {})


def test_what_changed_and_failed_then_is_known():
    rows = [("answered_of", MINE, *FIRST), ("dead", MINE, DEAD_LETTER), ("deferred", MINE, "outage")]
    for redrive, why in (("changed", None), ("changed,rejected_image", "changed")):
        policy = RedrivePolicy(redrive)
        (case,) = plan_one(*rows, policy=policy).to_look_at
        plan = plan_after_look([(case, 3)], FEATURES, policy)
        assert plan.skipped == ({} if why else {"known_bad": 1})
        assert [(to_do.why, to_do.priority, to_do.image.redrive_count) for to_do in plan.to_do] == (
            [(why, 0, 2)] if why else []
        )


def test_what_a_run_that_died_had_called_again_is_taken_over_and_not_looked_at():
    blocks = [("answered_of", (MINE, *FIRST), 0), ("journalled", (MINE, 6, "segment", 0), 1)]
    history = [block(kind, [(IMAGE.image_id, *row)], number) for kind, row, number in blocks]
    plan = plan_shard([[IMAGE]], history, FEATURES, RedrivePolicy("changed"))
    assert (plan.to_look_at, plan.recovered, plan.recovered_inputs) == ([], {"segment": [0]}, 1)


PRICES = {"": Decimal("0.0025"), "tags": Decimal("0.001"), "caption": Decimal("0.0015")}
ITEMS = st.tuples(st.integers(0, 1), st.integers(0, 5).map(str), st.sampled_from(list(PRICES)))
AMOUNTS = st.integers(0, 300).map(lambda halves: Decimal(halves) / 2000)


@given(st.lists(ITEMS, max_size=60), st.just(inf) | st.integers(0, 70), st.just(Decimal("Infinity")) | AMOUNTS)
def test_the_cut_takes_as_many_as_the_budget_bears_and_no_more(items, calls, amount):
    items = sorted(items)
    counts = Counter(((priority, bucket), asks) for priority, bucket, asks in items)
    cut = cut_of(counts, Budget(calls, amount), PRICES.__getitem__)
    taken = items
    if cut is not None:
        before = [item for item in items if item[:2] < cut.bucket]
        here = [item for item in items if item[:2] == cut.bucket]
        number = affordable((asks for *_, asks in here), cut.left, PRICES.__getitem__)
        assert number < len(here)
        taken = items[: len(before) + number]
        with_the_next = taken + items[len(taken) : len(taken) + 1]
        assert len(with_the_next) > calls or sum(PRICES[asks] for *_, asks in with_the_next) > amount
    assert len(taken) <= calls
    assert sum(PRICES[asks] for *_, asks in taken) <= amount


def test_what_was_deferred_is_called_before_what_is_new():
    images = [ImageRef("a", f"{number:032x}", "a") for number in range(4)]
    history = [block("deferred", [(images[2].image_id, MINE, "outage")])]
    plan = plan_shard([images], history, FEATURES, RedrivePolicy())
    assert min(plan.to_do, key=budget_bucket).image == images[2]


def small_and_large(fit, tmp_path, table="images"):
    """Blocks of a file with an answer to what was sent untouched, and to what was fitted to 512 and to 1600 pixels."""
    spec = TABLES[table]
    names = ["image_id", "fingerprint", "analyzed_at", "fit"]
    at = pa.array([1, 2, 3], pa.timestamp("us", "UTC"))
    ids = [f"{number:032x}" for number in range(3)]
    rows = pa.table(
        {"image_id": ids, "fingerprint": [MINE] * 3, "analyzed_at": at, "fit": pa.array([None, 512, 1600], pa.int32())}
    )
    path = str(tmp_path / "rows.parquet")
    pq.write_table(rows.select(names).cast(pa.schema([spec.schema.field(name) for name in names])), path)
    kind = "answered" if table == "images" else "journalled"
    blocks = [block for _, block in scan(HistoryFile(kind, path, ANSWERS, fit))]
    return plan_shard([[ImageRef(one, one, one) for one in ids]], blocks, FEATURES, RedrivePolicy(fit=fit)), path


@pytest.mark.parametrize(("fit", "called"), [(None, 0), (64, 0), (512, 0), (513, 1), (1600, 1), (16000, 2)])
def test_an_answer_to_too_few_pixels_is_none(fit, called, tmp_path):
    plan, _ = small_and_large(fit, tmp_path)
    assert (len(plan.to_do), plan.skipped.get("answered", 0)) == (called, 3 - called)


@pytest.mark.parametrize("fit", [None, 1600, 16000])
def test_a_journalled_answer_to_too_few_pixels_is_the_one_row_of_its_image(fit, tmp_path):
    plan, path = small_and_large(fit, tmp_path, "responses")
    assert {name: sorted(rows) for name, rows in plan.recovered.items()} == {path: [0, 1, 2]}
    assert (plan.to_do, plan.recovered_inputs, plan.recovered_extra) == ([], 3, 0)


@pytest.mark.parametrize(
    ("known", "fit", "reason"),
    [
        ([None], None, "known_bad"),
        ([None], 16000, None),
        ([16000], 16000, "known_bad"),
        ([16000], None, "known_bad"),
        ([16000], 600, None),
        ([600], 16000, "known_bad"),
        ([None, 16000], 16000, "known_bad"),
        ([600, 16000, None], 1000, "known_bad"),
        ([600, 16000, None], 500, None),
    ],
)
def test_an_image_that_could_not_be_sent_is_known_for_an_equal_or_weaker_fit(known, fit, reason):
    letters = [("dead", MINE, KnownDead(False, 0, None, 0, "invalid_image", 0, one)) for one in known]
    plan = plan_one(*letters, policy=RedrivePolicy(fit=fit))
    assert plan.skipped == ({reason: 1} if reason else {})
    assert [to_do.why for to_do in plan.to_do] == ([] if reason else ["redriven"])
    assert plan_one(*letters, policy=RedrivePolicy("none", fit=fit)).skipped == {"known_bad": 1}
