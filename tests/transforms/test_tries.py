"""A bundle that is run again in its process: what its first try called without an answer is not called once more."""

import json
import os
import threading
from urllib.request import urlopen

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings

MISSING = "missing.png"


def fail(failure, bug, url, attempts):
    if failure.image_uri.endswith(MISSING) and os.path.exists(bug):
        while json.load(urlopen(f"{url}/_emulator/stats"))["calls"] < attempts:
            threading.Event().wait(0.01)
        raise RuntimeError("a bug downstream")
    return failure.reason if failure.table == "deferred" else failure.fault_class


def note(number, path):
    with open(path, "w") as file:
        file.write(str(number))


@pytest.mark.parametrize("attempts", [1, 2])
def test_an_unanswered_image_is_called_as_often_as_it_may_be(emulator, pictures, tmp_path, attempts):
    """The first try dies when its one call has made so many attempts, before anybody can tell whose fault it is."""
    emulator.set_faults({"rules": [{"fault": "reset"}]})
    bug = tmp_path / "bug"
    bug.touch()

    p = beam.Pipeline(runner="FnApiRunner")
    settings = CallSettings(ambiguous_retries=1)
    images = p | beam.Create([[str(pictures(1)[0]), str(tmp_path / MISSING)]]) | beam.FlatMap(list)
    calls = images | AnalyzeImages(
        AnalyzeRequest(features="tags"),
        emulator.url,
        settings=settings,
        output=str(tmp_path / "out"),
        run_id="run",
        batch_size=2,
        error_handling={"output": "failures"},
    )
    told = calls["failures"] | "Fail" >> beam.Map(fail, str(bug), emulator.url, attempts)
    assert_that(told, equal_to(["interrupted", "unreadable_image"]))
    counts = calls["stats"] | beam.Map(lambda counts: counts.get("attempts.unanswered", 0))
    counts | beam.CombineGlobally(sum) | "Note" >> beam.Map(note, str(tmp_path / "told"))
    with pytest.raises(RuntimeError, match="a bug downstream"):
        p.run()
    bug.unlink()
    p.run()
    called = emulator.stats()["calls"]
    assert attempts <= called <= 1 + settings.ambiguous_retries
    assert (tmp_path / "told").read_text() == str(called), "what the try that died had spent is counted"
