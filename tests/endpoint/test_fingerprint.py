"""What a request answers, feature by feature: options count for the features that they bear on, and for no other."""

from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.transforms.endpoint.fingerprint import answered_by, given_answers, request_fingerprint
from image_analysis_beam.transforms.endpoint.request import FEATURES, AnalyzeRequest

SOME = st.lists(st.sampled_from(FEATURES), min_size=1, unique=True)
BEARS_ON = {
    "language": ("es", {"tags"}),
    "gender_neutral_caption": (True, {"caption", "denseCaptions"}),
    "smartcrops_aspect_ratios": ((0.9, 1.5), {"smartCrops"}),
}


def request(features, options=()):
    """One with such of these options as it may have."""
    captions = {"caption", "denseCaptions"}.intersection(features)
    usable = [name for name in options if BEARS_ON[name][1].intersection(features)]
    wanted = {name: BEARS_ON[name][0] for name in usable if not (name == "language" and captions)}
    return AnalyzeRequest(features=tuple(features), **wanted)


def named(mask, wanted):
    return {name for bit, name in enumerate(wanted.features) if mask >> bit & 1}


@given(SOME, SOME, st.sets(st.sampled_from([*BEARS_ON])), st.sets(st.sampled_from([*BEARS_ON])))
def test_of_what_is_wanted_that_counts_which_was_asked_alike(wanted, asked, options, other_options):
    now, before = request(wanted, options), request(asked, other_options)
    alike = set(now.features).intersection(before.features)
    for name, (_, bears_on) in BEARS_ON.items():
        if getattr(now, name) != getattr(before, name):
            alike -= bears_on
    mask = answered_by(now, [before]).get(request_fingerprint(before), 0)
    assert named(mask, now) == alike


@given(SOME, st.sets(st.sampled_from([*BEARS_ON])), st.data())
def test_what_a_run_asks_of_an_image_is_known_by_its_fingerprint(features, options, data):
    whole = request(features, options)
    some = data.draw(st.lists(st.sampled_from(whole.features), min_size=1, unique=True))
    asked = whole.narrowed(some)
    assert set(asked.features) == set(some)
    mask = answered_by(whole, [])[request_fingerprint(asked)]
    assert named(mask, whole) == set(some)
    assert given_answers(asked)[request_fingerprint(asked)] == given_answers(whole)[request_fingerprint(asked)]


def test_a_run_that_did_not_say_what_it_asks_counts_where_its_options_are_the_same():
    now, before = AnalyzeRequest("tags,people"), AnalyzeRequest("caption,tags")
    assert answered_by(now, [])[request_fingerprint(before)] == 1
    assert request_fingerprint(AnalyzeRequest("tags,read", language="es")) not in answered_by(now, [])


def test_versions_count_for_every_feature():
    now = AnalyzeRequest("tags,read")
    others = [AnalyzeRequest("tags,read", api_version="2023-10-01"), AnalyzeRequest("tags", model_version="2024-02-01")]
    assert all(request_fingerprint(other) not in answered_by(now, others) for other in others)


def test_a_custom_model_answers_itself_alone():
    one, other = AnalyzeRequest(model_name="products"), AnalyzeRequest(model_name="shelves")
    assert answered_by(one, [other, AnalyzeRequest("tags")]) == {request_fingerprint(one): 1}
