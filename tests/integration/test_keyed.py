"""`(key, image)` in, `(key, outcome)` out: each key once, one call for an image, also after a killed run."""

import json
import sys
import threading

import apache_beam as beam
import pytest

from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, start_run
from image_analysis_beam.transforms.endpoint.errors import ConfigurationError
from stand_ins.forked import Forked, run_forked

KEYS, IMAGES, BAD, IN_FLIGHT, RATE = 500, 250, 20, 16, 100
PIPELINE = """
import json, sys
import apache_beam as beam
from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, CallSettings, start_run

endpoint, listed, output, found = sys.argv[1:]
settings = CallSettings(max_in_flight=16, requests_per_second=100)
run_id = start_run(output).run_id

def note(pair):
    key, outcome = pair
    with open(found, "a") as file:
        file.write(json.dumps([key, outcome.image_uri, outcome.table]) + "\\n")

with beam.Pipeline(runner="FnApiRunner") as pipeline:
    outcomes = (
        pipeline
        | beam.Create([listed])
        | beam.FlatMap(lambda name: [line.split() for line in open(name)])
        | beam.MapTuple(lambda key, uri: (int(key), uri))
        | AnalyzeImages(
            AnalyzeRequest(features="tags"), endpoint, settings=settings, output=output, run_id=run_id, keyed=True,
            error_handling={"output": "failures"},
        )
    )
    (outcomes["analyzed"], outcomes["failures"]) | beam.Flatten() | beam.Map(note)
"""


@pytest.fixture
def images(emulator, pictures):
    emulator.set_faults(
        {
            "rules": [
                {"match": {"width": 77}, "fault": "image_format"},
                {"match": {"rate": 0.05, "first": 1, "per_image": True}, "fault": "unavailable"},
            ]
        }
    )
    return [*pictures(IMAGES - BAD), *pictures(BAD, width=77)]


def test_each_key_once_also_after_a_killed_run(emulator, images, tmp_path):
    listed, output, found = (tmp_path / name for name in ("listed.txt", "out", "found.txt"))
    uri_of = {key: str(images[key % IMAGES]) for key in range(KEYS)}
    listed.write_text("".join(f"{key} {uri}\n" for key, uri in uri_of.items()))
    arguments = [emulator.url, listed, output, found]
    killed = Forked([sys.executable, "-c", PIPELINE, *map(str, arguments)])
    while emulator.stats()["by_status"].get("200", 0) < 120:
        assert killed.poll() is None
        threading.Event().wait(0.01)
    killed.kill()
    killed.wait()
    assert not found.exists(), "in memory, all come at the end"
    for more in (IN_FLIGHT + 2 * RATE, 0):
        before = emulator.stats()["by_status"]
        found.unlink(missing_ok=True)
        run_forked([sys.executable, "-c", PIPELINE, *map(str, arguments)]).check_returncode()
        outcomes = {key: (uri, table) for key, uri, table in map(json.loads, found.read_text().splitlines())}
        assert len(found.read_text().splitlines()) == len(outcomes) == KEYS
        for key, uri in uri_of.items():
            assert outcomes[key] == (uri, "dead_letters" if key % IMAGES >= IMAGES - BAD else "responses")
        by_status = emulator.stats()["by_status"]
        assert by_status["200"] + by_status["400"] <= IMAGES + IN_FLIGHT + 2 * RATE
        assert more or by_status == before, "all is journalled"


def test_without_a_run_and_in_windows(emulator, images, tmp_path):
    """Keys need not be hashable; the two spellings of an image are one call."""
    good, bad = images[0], images[-1]
    elements = [({"sku": number}, uri) for number, uri in enumerate([good, f"file://{good}", bad, good])]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        outcomes = (
            pipeline
            | beam.Create([(key, str(uri)) for key, uri in elements])
            | beam.Map(lambda element: beam.window.TimestampedValue(element, element[0]["sku"]))
            | beam.WindowInto(beam.window.FixedWindows(3))
            | AnalyzeImages(
                AnalyzeRequest(features="tags"), emulator.url, keyed=True, error_handling={"output": "failures"}
            )
        )
        both = (outcomes["analyzed"], outcomes["failures"]) | beam.Flatten()
        told = both | beam.Map(lambda pair: f"{pair[0]['sku']} {pair[1].table}")
        told | beam.io.WriteToText(str(tmp_path / "told"), num_shards=1)
    (told,) = tmp_path.glob("told*")
    assert sorted(told.read_text().splitlines()) == ["0 responses", "1 responses", "2 dead_letters", "3 responses"]
    assert emulator.stats()["distinct_images"] == 2
    assert emulator.stats()["asked"] == {"tags": 2}, "none for what is the same in another window"


def test_a_folder_is_of_the_global_window(emulator, tmp_path):
    run_id = start_run(str(tmp_path)).run_id
    with pytest.raises(ConfigurationError, match=r"keyed with output .* global window"):
        (
            beam.Pipeline(runner="FnApiRunner")
            | beam.Create([("a", "b")])
            | beam.WindowInto(beam.window.FixedWindows(3))
            | AnalyzeImages(
                AnalyzeRequest(features="tags"), emulator.url, keyed=True, output=str(tmp_path), run_id=run_id
            )
        )
