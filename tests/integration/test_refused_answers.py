"""A paid answer that is not the contract: kept whole, called again on demand only, read by a later version."""

import json
from datetime import datetime, timezone

import apache_beam as beam
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.schemas.outcomes import Analyzed
from image_analysis_beam.transforms import RecordsToTables, WriteRun
from image_analysis_beam.transforms.endpoint.fingerprint import request_fingerprint
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.uri import ImageRef

AT = datetime(2026, 1, 2, tzinfo=timezone.utc)
RUN = "20260102T000000Z-0001"
FACTS = {"started_at": AT.isoformat(), "schema_version": 1, "versions": {}}
GOOD = '{"modelVersion":"v","metadata":{"width":64,"height":50},"tagsResult":{"values":[{"name":"a","confidence":1}]}}'
REFUSED = json.dumps(json.loads(GOOD) | {"peopleResult": {"values": 7}, "new": "x" * 200_000})


def answer(picture, body):
    image = ImageRef.of(str(picture))
    fingerprint = request_fingerprint(AnalyzeRequest(("tags",)))
    return Analyzed(
        *(image.image_id, image.image_uri, fingerprint, RUN, "2024-02-01", ("tags",)),
        *(None, body, None, None, 1, 1.5, 1, False, 9, 0, AT),
    )


def commit(output, *answers):
    """A committed run that got these answers."""
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        tables = pipeline | beam.Create(answers) | RecordsToTables() | beam.Values()
        counts = tables | beam.Map(lambda table: {"input": table.num_rows})
        {"answers": (tables,), "counts": (counts,)} | WriteRun(str(output), RUN, FACTS)


@pytest.fixture
def picture(pictures):
    return pictures(1)[0]


@pytest.fixture
def refused(tmp_path, picture):
    """A folder whose one image got an answer that was refused."""
    commit(tmp_path / "out", answer(picture, REFUSED))
    return tmp_path / "out"


def test_it_is_a_known_dead_letter(refused, emulator, run, picture):
    plan = run("--images", picture, command="plan")
    again = run("--images", picture)

    assert "1 would be skipped (1 known_bad)" in plan.out
    assert again.manifest["skipped"] == {"known_bad": 1}
    assert emulator.stats()["calls"] == 0
    assert again.rows("dead_letters", "class, retryable, message, length(body)") == [
        ("malformed_response", False, "peopleResult.values: expected a list, got 7", 64 * 1024)
    ]
    assert again.rows("responses", "body") == [(REFUSED,)]


def test_called_again_on_demand_the_new_answer_is_the_one_that_counts(refused, emulator, run, picture, tmp_path):
    redriven = run("--images", picture, "--redrive", "malformed_response")

    assert redriven.manifest["conservation"]["analyzed"] == emulator.stats()["calls"] == 1
    assert run("--images", picture).manifest["skipped"] == {"answered": 1}
    fresh = run("--stored", refused, "--output", tmp_path / "fresh", command="reflatten", features=None)
    accounts = fresh.manifest["conservation"]
    assert (accounts["recovered_extra"], accounts["analyzed"], accounts["dead_letters"]) == (1, 1, 0)
    assert fresh.rows("responses", "redrive_count") == [(1,)]


def test_flattened_again_it_is_refused_again_and_kept_again(refused, emulator, run, picture, tmp_path):
    fresh = run("--stored", refused, "--output", tmp_path / "fresh", command="reflatten", features=None)

    accounts = fresh.manifest["conservation"]
    assert (accounts["recovered_extra"], accounts["analyzed"], accounts["dead_letters"]) == (1, 0, 1)
    assert fresh.rows("responses", "body") == [(REFUSED,)]
    assert run("--images", picture, "--output", tmp_path / "fresh").manifest["skipped"] == {"known_bad": 1}
    assert emulator.stats()["calls"] == 0


def test_flattened_again_by_a_version_that_reads_it_it_becomes_rows(refused, emulator, run, tmp_path):
    (path,) = refused.glob("responses/run=*/*.parquet")
    table = pq.read_table(path, partitioning=None)
    readable = table.set_column(table.schema.names.index("body"), table.schema.field("body"), [[GOOD]])
    pq.write_table(readable, path)

    fresh = run("--stored", refused, "--output", tmp_path / "fresh", command="reflatten", features=None)

    accounts = fresh.manifest["conservation"]
    assert (accounts["recovered_extra"], accounts["analyzed"], accounts["dead_letters"]) == (1, 1, 0)
    assert fresh.rows("tags", "name") == [("a",)]
    assert emulator.stats()["calls"] == 0
