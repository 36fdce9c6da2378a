"""Two tries of one bundle at the same time, in processes of their own, one of them killed or stopped for a while."""

import signal
import subprocess
import sys
import threading

import pytest

from image_analysis_beam.transforms import start_run

IMAGES, RATE, IN_FLIGHT = 400, 100, 16
TRY = """
import sys
import apache_beam as beam
from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings

output, run_id, endpoint, listed, rate, in_flight, found = sys.argv[1:]
settings = CallSettings(requests_per_second=float(rate), max_in_flight=int(in_flight))

def note(image_id):
    with open(found, "a") as file:
        file.write(image_id + "\\n")

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
"""


@pytest.fixture
def tries(emulator, pictures, listed, tmp_path):
    """`tries(name)`: starts a try of the one bundle; where it is to say what it passed on."""
    output = str(tmp_path / "out")
    run_id = start_run(output).run_id
    uris = str(listed(pictures(IMAGES)))
    started = []

    def begin(name):
        found = tmp_path / f"{name}.txt"
        arguments = [output, run_id, emulator.url, uris, str(RATE), str(IN_FLIGHT), str(found)]
        started.append(subprocess.Popen([sys.executable, "-c", TRY, *arguments]))
        return started[-1], found

    yield begin
    for process in started:
        process.kill()
        process.wait()


def after(emulator, calls):
    while emulator.stats()["calls"] < calls:
        threading.Event().wait(0.01)


def check(found, emulator, hand_overs):
    ids = found.read_text().split()
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


@pytest.mark.parametrize("calls", [100, pytest.param(300, marks=pytest.mark.long)])
def test_one_is_killed(emulator, tries, calls):
    first, _ = tries("first")
    after(emulator, calls)
    second, found = tries("second")
    first.kill()
    assert second.wait() == 0
    check(found, emulator, 1)


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
