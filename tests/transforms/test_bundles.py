"""What a bundle that dies leaves behind, what a process shares, and whose fault a failure is at the end of a list."""

import threading
from collections import Counter

import apache_beam as beam
import duckdb
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window
from apache_beam.transforms.error_handling import CollectingErrorHandler

from image_analysis_beam.transforms import (
    AnalyzeImages,
    AnalyzeRequest,
    CallSettings,
    FlattenSections,
    RecordsToTables,
)
from image_analysis_beam.transforms.endpoint.admission import Waiter
from image_analysis_beam.transforms.endpoint.call import Caller
from image_analysis_beam.transforms.endpoint.credentials import Credential, EnvironmentKey
from image_analysis_beam.transforms.endpoint.lane import LANES, Lanes
from image_analysis_beam.transforms.endpoint.resource import Resource
from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.files.storage import read_first
from stand_ins.failing import FailAt

TAGS = AnalyzeRequest(features="tags")
CALLS_AT_ONCE = 8
FAST = CallSettings(requests_per_second=2000, max_in_flight=CALLS_AT_ONCE)
FAILURES = {"output": "failures"}


def pipeline():
    return beam.Pipeline(options=PipelineOptions(runner="FnApiRunner"))


def analyze(emulator, **options):
    return AnalyzeImages(TAGS, emulator.url, **{"settings": FAST, "error_handling": FAILURES, **options})


def threads(name):
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


def test_the_queued_calls_of_a_bundle_that_dies_are_not_made(emulator, pictures, tmp_path):
    emulator.set_faults({"latency": {"seconds": 0.05}})
    p = pipeline()
    kept_in = {"output": str(tmp_path / "out"), "run_id": "run", "batch_size": 5}
    calls = p | beam.Create(list(map(str, pictures(200)))) | analyze(emulator, **kept_in)
    calls["responses"] | "Fail" >> beam.ParDo(FailAt(4))
    with pytest.raises(Exception, match="a bug downstream"):
        p.run()
    while threads("analyze"):
        threads("analyze")[0].join()
    assert not threads("journal")
    calls = emulator.stats()["calls"]
    assert calls <= 20 + 5 * CALLS_AT_ONCE, "those that were queued are dropped"
    kept = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/out/journal/*/*/*.parquet'").fetchall()
    assert kept[0][0] == calls, "what was answered is kept"


def test_a_try_after_one_that_died_in_its_process_waits_for_the_calls_in_flight(emulator, pictures, tmp_path):
    """And pays for none of them again."""
    emulator.set_faults({"latency": {"seconds": 2}})
    bug = tmp_path / "bug"
    bug.touch()

    def fail(_):
        if bug.exists():
            raise RuntimeError("a bug downstream")

    p = pipeline()
    kept_in = {"output": str(tmp_path / "out"), "run_id": "run", "batch_size": CALLS_AT_ONCE}
    calls = p | beam.Create(list(map(str, pictures(2 * CALLS_AT_ONCE)))) | analyze(emulator, **kept_in)
    calls["responses"] | "Fail" >> beam.Map(fail)
    with pytest.raises(RuntimeError, match="a bug downstream"):
        p.run()
    bug.unlink()
    p.run()
    assert Counter(emulator.stats(images=True)["images"].values()) == {1: 2 * CALLS_AT_ONCE}


class Unsteady(Credential):
    """Raises once, then gives the key."""

    raised = threading.Event()

    def headers(self):
        if not self.raised.is_set():
            self.raised.set()
            raise ConnectionError("no vault")
        return EnvironmentKey().headers()


def test_a_credential_that_raises_gives_its_place_back(emulator, pictures):
    Unsteady.raised.clear()
    one_at_a_time = CallSettings(max_in_flight=1)
    lanes = Lanes([Resource(emulator.url)], one_at_a_time)
    caller = Caller(lanes, TAGS, [Unsteady()], one_at_a_time, read_first)
    image = ImageRef.of(str(pictures(1)[0]))
    with pytest.raises(ConnectionError):
        caller.analyze(image, Waiter())
    assert caller.analyze(image, Waiter()).outcome.image_id == image.image_id
    lanes.close()


def test_images_that_were_read_when_the_run_is_told_to_stop_are_not_fitted(emulator, pictures):
    """All are read, and wait for their turn to be fitted; then the run is told to stop."""
    settings, number = CallSettings(max_in_flight=6), 6
    lanes = Lanes([Resource(emulator.url)], settings)
    all_are_read = threading.Barrier(number, lambda: lanes.admission.trip("interrupted", "the run was told to stop"))

    def read(path, most):
        first = read_first(path, most)
        all_are_read.wait()
        return first

    caller = Caller(lanes, TAGS, [EnvironmentKey()], settings, read, fit=64)
    images = [ImageRef.of(str(path)) for path in pictures(number, width=96)]
    for call in lanes.pool.map(lambda image: caller.analyze(image, Waiter()), images):
        assert (call.outcome.reason, call.sent.fit) == ("interrupted", None)
    lanes.close()


def test_the_same_pipeline_run_again_begins_afresh(emulator, pictures, monkeypatch):
    p = pipeline()
    p | beam.Create(list(map(str, pictures(5)))) | analyze(emulator)
    monkeypatch.setenv("VISION_KEY", "wrong")
    p.run().wait_until_finish()
    assert emulator.stats()["by_status"] == {"401": 1}
    monkeypatch.setenv("VISION_KEY", "emulator-key")
    p.run().wait_until_finish()
    assert emulator.stats()["by_status"] == {"401": 1, "200": 5}
    for thread in threads("analyze"):
        thread.join(30)
    assert not threads("analyze")
    assert not LANES._lanes


def test_two_steps_that_call_one_resource_share_one_pace(emulator, pictures):
    slow, slower = CallSettings(requests_per_second=40), CallSettings(requests_per_second=20)
    with pipeline() as p:
        for name, settings in (("first", slow), ("second", slower)):
            uris = [str(path) for path in pictures(25, first=25 * (name == "second"))]
            images = p | f"List {name}" >> beam.Create(uris)
            images | f"Analyze {name}" >> analyze(emulator, settings=settings)
    stats = emulator.stats()
    assert stats["calls"] == 50
    assert stats["most_accepted_in_1s"] <= 41


def test_a_limit_of_dead_letters_is_of_each_step_that_a_transform_becomes(emulator, pictures):
    images = [f"missing-{number}.png" for number in range(8)] + [str(path) for path in pictures(5)]
    with pipeline() as p:
        listed = p | beam.Create(images)
        one = analyze(emulator, settings=CallSettings(max_in_flight=1), max_dead_letters=10)
        for name in ("first", "second"):
            (listed | name >> one)["failures"] | f"{name} failures" >> beam.Map(_only_dead)


def _only_dead(failure):
    assert failure.table == "dead_letters"


def test_outcomes_keep_their_window_and_timestamp(emulator, pictures, tmp_path):
    paths = [str(path) for path in pictures(6)]
    stamped = {**{path: 10 * number for number, path in enumerate(paths)}, "ftp://h/x.png": 31}
    with pipeline() as p:
        images = (
            p
            | beam.Create(list(stamped.items()))
            | beam.Map(lambda item: window.TimestampedValue(*item))
            | beam.WindowInto(window.FixedWindows(20))
        )
        calls = images | analyze(emulator)
        outcomes = (calls["analyzed"], calls["failures"]) | beam.Flatten()
        assert_that(
            outcomes | beam.Map(_where),
            equal_to([(uri, at, at // 20 * 20) for uri, at in stamped.items()]),
            label="all",
        )
        counts = calls["stats"] | "Attempts" >> beam.Map(lambda counts: counts.get("attempts.answered", 0))
        assert_that(counts | beam.CombineGlobally(sum).without_defaults(), equal_to([2, 2, 2]), label="stats")


def test_what_is_durable_keeps_its_window(emulator, pictures, tmp_path):
    stamped = [(str(path), 10 * number) for number, path in enumerate(pictures(6))] + [("ftp://h/x.png", 31)]
    with pipeline() as p:
        images = (
            p
            | beam.Create(stamped)
            | beam.Map(lambda item: window.TimestampedValue(*item))
            | beam.WindowInto(window.FixedWindows(20))
        )
        calls = images | analyze(emulator, output=str(tmp_path), run_id="run")
        rows = calls["responses"] | beam.Map(lambda table: table.num_rows)
        assert_that(rows | "Rows" >> beam.CombineGlobally(sum).without_defaults(), equal_to([2, 2, 2]), label="rows")
        flattened = calls["responses"] | FlattenSections("run")
        tagged = flattened["tables"] | beam.Filter(lambda named: named[0] == "images")
        assert_that(tagged | "Starts" >> beam.Map(_starts), equal_to([0, 20, 40]), label="sections")
        counts = calls["stats"] | "Attempts" >> beam.Map(lambda counts: counts.get("attempts.answered", 0))
        assert_that(counts | beam.CombineGlobally(sum).without_defaults(), equal_to([2, 2, 2]), label="stats")
        failed = calls["failures"] | RecordsToTables() | "Failed" >> beam.Map(_starts)
        assert_that(failed, equal_to([20]), label="records")


def test_an_image_that_is_there_twice_is_called_once_and_passed_on_twice(emulator, pictures, tmp_path):
    uri = str(pictures(1)[0])
    with pipeline() as p:
        calls = p | beam.Create([uri, uri]) | analyze(emulator, output=str(tmp_path), run_id="run")
        rows = calls["responses"] | beam.Map(lambda table: table.num_rows)
        assert_that(rows | beam.CombineGlobally(sum), equal_to([2]))
    assert emulator.stats()["calls"] == 1


def _where(outcome, timestamp=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
    return outcome.image_uri, timestamp.micros // 10**6, window.start.micros // 10**6


def _starts(_, window=beam.DoFn.WindowParam):
    return window.start.micros // 10**6


@pytest.mark.parametrize("handler", [True, False])
def test_deferred_images_come_with_the_failures(emulator, pictures, monkeypatch, handler):
    monkeypatch.setenv("VISION_KEY", "wrong")
    uris = [*map(str, pictures(3)), "ftp://h/x.png"]
    with pipeline() as p:
        if handler:
            with CollectingErrorHandler() as errors:
                p | beam.Create(uris) | analyze(emulator, error_handling=None).with_error_handler(errors)
            failures = errors.output()
        else:
            failures = (p | beam.Create(uris) | analyze(emulator))["failures"]
        tables = failures | beam.Map(lambda failure: failure.table)
        assert_that(tables | beam.combiners.Count.PerElement(), equal_to([("deferred", 3), ("dead_letters", 1)]))


def test_deferred_images_that_nobody_asked_for_fail_the_pipeline(emulator, pictures, monkeypatch):
    monkeypatch.setenv("VISION_KEY", "wrong")
    with pytest.raises(Exception, match=r"unauthorized: Access denied .*; to keep such images"), pipeline() as p:
        p | beam.Create([str(pictures(1)[0])]) | analyze(emulator, error_handling=None)


def test_a_failure_is_settled_by_the_first_answer_to_somebody_else(emulator, pictures):
    """Without retries and with one call at a time, nothing but a later answer tells who is to blame.

    Which image is called first is the threads' affair.
    """
    emulator.set_faults({"rules": [{"match": {"first": 1}, "fault": "internal"}]})
    settings = CallSettings(requests_per_second=2000, max_attempts=1, max_in_flight=1)
    uris = list(map(str, pictures(2)))
    with pipeline() as p:
        calls = p | beam.Create([uris]) | beam.FlatMap(list) | analyze(emulator, settings=settings, batch_size=2)
        kinds = (calls["analyzed"], calls["failures"]) | beam.Flatten() | beam.Map(lambda outcome: outcome.table)
        assert_that(kinds, equal_to(["responses", "dead_letters"]))
    assert Counter(emulator.stats()["by_status"]) == {"200": 1, "500": 1}
