"""Two tries of one bundle at the same time, in processes of their own, one of them killed or stopped for a while."""

import signal
import sys
import threading
from collections import Counter

import pytest

from image_analysis_beam.transforms import start_run
from stand_ins.forked import Forked

IMAGES, RATE, IN_FLIGHT = 400, 100, 16
TRY = """
import sys
import apache_beam as beam
from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings

output, run_id, endpoint, listed, rate, in_flight, again, found = sys.argv[1:]
settings = CallSettings(
    requests_per_second=float(rate), max_in_flight=int(in_flight), ambiguous_retries=int(again)
)

def note(line):
    with open(found, "a") as file:
        file.write(line + "\\n")

with beam.Pipeline(runner="FnApiRunner") as pipeline:
    calls = (
        pipeline
        | beam.Create([listed])
        | beam.FlatMap(lambda name: open(name).read().splitlines())
        | AnalyzeImages(
            AnalyzeRequest(features="tags"), endpoint, settings=settings, output=output, run_id=run_id,
            error_handling={"output": "failures"},
        )
    )
    calls["responses"] | beam.FlatMap(lambda table: table["image_id"].to_pylist()) | beam.Map(note)
    told = calls["failures"] | beam.Map(lambda failure: f"{failure.image_id} {failure.reason}")
    told | "NoteFailures" >> beam.Map(note)
"""


@pytest.fixture
def tries(emulator, pictures, listed, tmp_path):
    """`tries(name, again)`: starts a try of the one bundle; where it is to say what it passed on.

    `again`: how often a call that may have been billed is made again.
    """
    output = str(tmp_path / "out")
    run_id = start_run(output).run_id
    uris = str(listed(pictures(IMAGES)))
    started = []

    def begin(name, again=1):
        found = tmp_path / f"{name}.txt"
        arguments = [output, run_id, emulator.url, uris, str(RATE), str(IN_FLIGHT), str(again), str(found)]
        started.append(Forked([sys.executable, "-c", TRY, *arguments]))
        return started[-1], found

    yield begin
    for process in started:
        process.kill()
        process.wait()


def after(emulator, calls):
    while emulator.stats()["calls"] < calls:
        threading.Event().wait(0.01)


def check(found, emulator, hand_overs):
    ids = found.read_text().splitlines()
    assert len(ids) == len(set(ids)) == IMAGES
    calls = emulator.stats()["calls"]
    print(f"{calls} calls for {IMAGES} images")
    assert calls <= IMAGES + hand_overs * (IN_FLIGHT + 2 * RATE)
    return calls


@pytest.mark.parametrize("calls", [0, pytest.param(200, marks=pytest.mark.long)])
def test_both_go_on_and_one_pays(emulator, tries, calls):
    first, found = tries("first")
    after(emulator, calls)
    second, found_too = tries("second")
    assert first.wait() == second.wait() == 0
    assert check(found, emulator, 0) == check(found_too, emulator, 0) == IMAGES


@pytest.mark.parametrize(
    ("calls", "again"),
    [(100, 0), pytest.param(100, 1, marks=pytest.mark.long), pytest.param(300, 1, marks=pytest.mark.long)],
)
def test_one_is_killed(emulator, tries, calls, again):
    """Where nothing that may have been billed is called again, as with --max_cost, it is deferred."""
    first, _ = tries("first", again)
    after(emulator, calls)
    second, found = tries("second", again)
    first.kill()
    assert second.wait() == 0
    check(found, emulator, 1)
    reasons = Counter(line.partition(" ")[2] for line in found.read_text().splitlines())
    if again:
        assert set(reasons) == {""}
    else:
        assert set(reasons) == {"", "interrupted"}
        assert set(emulator.stats(images=True)["images"].values()) == {1}


@pytest.mark.long
def test_one_stands_still_and_wakes(emulator, tries):
    first, found = tries("first")
    after(emulator, 100)
    first.send_signal(signal.SIGSTOP)
    second, found_too = tries("second")
    assert second.wait() == 0
    calls = check(found_too, emulator, 1)
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    check(found, emulator, 1)
    assert emulator.stats()["calls"] <= calls + 1, "one request that was between its last look and its sending"
