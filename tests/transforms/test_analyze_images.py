"""`AnalyzeImages` in pipelines of one's own."""

import time
from concurrent import futures

import apache_beam as beam
import grpc
import pytest
from apache_beam.io.components import rate_limit_pb2
from apache_beam.io.components.rate_limiter import EnvoyRateLimiter, RateLimiter
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.display import DisplayData
from apache_beam.transforms.error_handling import CollectingErrorHandler

from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings, ConfigurationError
from image_analysis_beam.transforms.calls import NAMESPACE

TAGS = AnalyzeRequest(features="tags")
FAST = CallSettings(requests_per_second=2000)
ERRORS = {"output": "failures"}


def pipeline():
    return beam.Pipeline(options=PipelineOptions(runner="FnApiRunner"))


def analyze(emulator, **options):
    return AnalyzeImages(TAGS, emulator.url, **{"settings": FAST, **options})


def test_uris_as_text_give_answers(emulator, pictures):
    paths = sorted(map(str, pictures(5)))
    with pipeline() as p:
        calls = p | beam.Create(paths) | analyze(emulator, error_handling=ERRORS)
        assert_that(calls["analyzed"] | beam.Map(lambda answer: answer.image_uri), equal_to(paths))
        assert_that(calls["failures"], equal_to([]), label="none")


def test_an_error_handler_gets_what_has_no_answer(emulator, pictures, tmp_path):
    uris = [str(pictures(1)[0]), str(tmp_path / "missing.png")]
    with pipeline() as p:
        with CollectingErrorHandler() as handler:
            p | beam.Create(uris) | analyze(emulator).with_error_handler(handler)
        errors = handler.output() | beam.Map(lambda letter: (letter.image_uri, letter.fault_class))
        assert_that(errors, equal_to([(uris[1], "unreadable_image")]))


def test_a_failure_that_nobody_asked_for_fails_the_pipeline(emulator, tmp_path):
    with pytest.raises(Exception, match=r"unreadable_image: .*; to keep such images"), pipeline() as p:
        p | beam.Create([str(tmp_path / "missing.png")]) | analyze(emulator)


def test_settings_are_refused_at_construction(emulator):
    for options in ({"batch_size": 0}, {"error_handling": {"to": "x"}}):
        with pytest.raises(ConfigurationError):
            analyze(emulator, **options)
    with pytest.raises(ConfigurationError, match="plain http"):
        AnalyzeImages(TAGS, "http://vision.example")
    AnalyzeImages(TAGS, "http://vision.example", allow_insecure_endpoint=True)


def test_metrics_add_up(emulator, pictures):
    emulator.set_faults({"rules": [{"match": {"every": 4}, "fault": "internal"}]})
    p = pipeline()
    paths = pictures(20)
    p | beam.Create(list(map(str, paths))) | analyze(emulator, error_handling=ERRORS)
    result = p.run()
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    counters = {item.key.metric.name: item.committed for item in found["counters"]}
    latency = {item.key.metric.name: item.committed for item in found["distributions"]}["latency_ms"]
    stats = emulator.stats()
    assert counters["attempts_answered"] == 20
    assert counters["attempts_service_error"] == counters["retries"] == stats["by_status"]["500"]
    assert counters["bytes_sent"] > sum(path.stat().st_size for path in paths)
    assert counters["billed_units"] == stats["billed"]
    assert latency.count == stats["calls"]


def test_throttled_time_is_reported_for_the_autoscaler(emulator, pictures):
    p = pipeline()
    slow = CallSettings(requests_per_second=10)
    p | beam.Create(list(map(str, pictures(25)))) | analyze(emulator, settings=slow, error_handling=ERRORS)
    began = time.monotonic()
    found = p.run().metrics().query(MetricsFilter().with_name("cumulativeThrottlingSeconds"))["counters"]
    assert 1 <= found[0].committed <= time.monotonic() - began


def test_display_data_shows_request_and_limits(emulator):
    data = DisplayData.create_from(analyze(emulator))
    shown = {item.key: item.value for item in data.items}
    assert shown["features"] == "tags"
    assert shown["requests_per_second"] == 2000
    assert shown["endpoint"] == emulator.url


def test_calls_at_once_stay_within_the_window(emulator, pictures):
    emulator.set_faults({"latency": {"seconds": 0.05}})
    with pipeline() as p:
        settings = CallSettings(max_in_flight=7, requests_per_second=2000)
        p | beam.Create(list(map(str, pictures(60)))) | analyze(emulator, settings=settings, error_handling=ERRORS)
    assert emulator.stats()["peak_in_flight"] == 7


class Stubborn(RateLimiter):
    """Says no to every other question."""

    def __init__(self):
        self.asked = 0

    def allow(self, hits_added=1):
        self.asked += 1
        return self.asked % 2 == 0


class Broken(RateLimiter):
    def __init__(self):
        pass

    def allow(self, hits_added=1):
        raise ConnectionError("no limiter")


def test_a_limiter_that_says_no_is_asked_again(emulator, pictures):
    with pipeline() as p:
        calls = (
            p
            | beam.Create(list(map(str, pictures(6))))
            | analyze(emulator, rate_limiter=Stubborn(), error_handling=ERRORS)
        )
        assert_that(calls["analyzed"] | beam.combiners.Count.Globally(), equal_to([6]))


def test_a_limiter_that_cannot_be_asked_stops_the_spending(emulator, pictures):
    with pipeline() as p:
        calls = (
            p
            | beam.Create(list(map(str, pictures(6))))
            | analyze(emulator, rate_limiter=Broken(), error_handling=ERRORS)
        )
        assert_that(calls["failures"] | beam.Map(lambda image: image.reason), equal_to(["rate_limiter"] * 6))
    assert emulator.stats()["calls"] == 0


def test_envoys_rate_limit_service_is_asked_for_every_attempt(emulator, pictures):
    hits = []

    def should_rate_limit(request, context):
        hits.append(request.hits_addend)
        return rate_limit_pb2.RateLimitResponse(overall_code=rate_limit_pb2.RateLimitResponse.OK)

    method = grpc.unary_unary_rpc_method_handler(
        should_rate_limit,
        request_deserializer=rate_limit_pb2.RateLimitRequest.FromString,
        response_serializer=rate_limit_pb2.RateLimitResponse.SerializeToString,
    )
    server = grpc.server(futures.ThreadPoolExecutor(2))
    service = "envoy.service.ratelimit.v3.RateLimitService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"ShouldRateLimit": method})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    limiter = EnvoyRateLimiter(f"127.0.0.1:{port}", "vision", [{"tenant": "a"}], namespace="test")
    with pipeline() as p:
        p | beam.Create(list(map(str, pictures(8)))) | analyze(emulator, rate_limiter=limiter, error_handling=ERRORS)
    server.stop(None)
    assert hits == [1] * emulator.stats()["calls"]
