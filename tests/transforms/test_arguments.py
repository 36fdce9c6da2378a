"""Objects given in code: what cannot work is refused when it is given, by name, with the rule and the fix."""

import pytest

from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings, ConfigurationError, PlanWork
from image_analysis_beam.transforms.endpoint.client import Timeouts

TAGS, URL = AnalyzeRequest(features="tags"), "https://vision.example"

REFUSED = [
    (lambda: AnalyzeImages("tags", URL), "request 'tags': it is of type AnalyzeRequest; use AnalyzeRequest"),
    (lambda: AnalyzeImages(URL, TAGS), "request 'https://vision.example': it is of type AnalyzeRequest"),
    (lambda: AnalyzeImages(TAGS, None), "endpoint None: it is of type str"),
    (lambda: AnalyzeImages(TAGS, URL, credential="key"), "credential of type str: it is of type Credential or None"),
    (lambda: AnalyzeImages(TAGS, URL, settings={"max_in_flight": 3}), "settings {'max_in_flight': 3}: it is of type"),
    (lambda: AnalyzeImages(TAGS, URL, batch_size="32"), "batch_size '32': it is of type int"),
    (lambda: AnalyzeImages(TAGS, URL, batch_size=True), "batch_size True: it is of type int"),
    (lambda: AnalyzeImages(TAGS, URL, run_id=7), "run_id 7: it is of type str"),
    (lambda: AnalyzeImages(TAGS, URL, rate_limiter=20), "rate_limiter 20: it has a method `allow`"),
    (lambda: AnalyzeImages(TAGS, URL, error_handling=True), "error_handling True: it names an output"),
    (lambda: AnalyzeImages(TAGS, URL, error_handling={"output": 3}), "error_handling {'output': 3}: it names"),
    (lambda: AnalyzeImages(TAGS, URL, error_handling={"output": "stats"}), "it names an output other than"),
    (lambda: AnalyzeImages(TAGS, URL, max_time="soon"), "max_time 'soon': it is a number of seconds, or one with a"),
    (lambda: AnalyzeImages(TAGS, URL, max_time=True), "max_time True: it is of type int or float or str or None"),
    (lambda: AnalyzeImages(TAGS, URL, max_dead_letters=0.5), "max_dead_letters 0.5: it is of type int or str or None"),
    (lambda: AnalyzeImages(TAGS, URL, max_dead_letters="half"), "max_dead_letters 'half': it is a whole number, or"),
    (lambda: AnalyzeRequest(features=7), "features 7: it is of type"),
    (lambda: AnalyzeRequest(features=[7]), "feature 7: it is of type str"),
    (lambda: AnalyzeRequest(model_name=7), "model_name 7: it is of type str"),
    (lambda: AnalyzeRequest(features="tags", language=None), "language None: it is of type str"),
    (lambda: AnalyzeRequest(features="caption", gender_neutral_caption="no"), "gender_neutral_caption 'no': it is of"),
    (lambda: AnalyzeRequest(features="smartCrops", smartcrops_aspect_ratios=1.5), "smartcrops_aspect_ratios 1.5: it"),
    (lambda: AnalyzeRequest(features="smartCrops", smartcrops_aspect_ratios=[None]), "smartcrops_aspect_ratios None"),
    (lambda: CallSettings(max_in_flight="64"), "max_in_flight '64': it is of type int"),
    (lambda: CallSettings(max_in_flight=6.5), "max_in_flight 6.5: it is of type int"),
    (lambda: CallSettings(requests_per_second="20"), "requests_per_second '20': it is of type int or float or None"),
    (lambda: CallSettings(call_deadline=None), "call_deadline None: it is of type int or float"),
    (lambda: CallSettings(call_deadline=float("nan")), "call_deadline nan: it is a number above 0"),
    (lambda: CallSettings(timeouts=30), "timeouts 30: it is of type Timeouts"),
    (lambda: Timeouts(connect="10"), "connect time-out '10': it is of type int or float"),
    (lambda: Timeouts(read=float("nan")), "read time-out nan: it is a number above 0 and at most 1000000"),
    (lambda: PlanWork("tags"), "request 'tags': it is of type AnalyzeRequest"),
    (lambda: PlanWork(TAGS, max_calls="9"), "max_calls '9': it is of type int or None"),
    (lambda: PlanWork(TAGS, max_cost="9"), "max_cost '9': it is of type int or float or None"),
    (lambda: PlanWork(TAGS, max_cost=float("inf")), "max_cost inf: it is a number from 0 to 1000000000000"),
    (lambda: PlanWork(TAGS, prices={}), "prices {}: it is of type Prices or None"),
    (lambda: PlanWork(TAGS, shard_digits="3"), "shard_digits '3': it is of type int"),
    (lambda: PlanWork(TAGS, shard_digits=0), "shard_digits 0: it is from 1 to 4; the default is 2"),
    (lambda: PlanWork(TAGS, policy="all"), "policy 'all': it is of type RedrivePolicy or None"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_it_is_refused_when_it_is_given(make, says):
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert str(refused.value).startswith(says) or says in str(refused.value)
