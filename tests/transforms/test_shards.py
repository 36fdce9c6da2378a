"""Planning is the same however many shards it is parted into."""

import json
import pickle
import random
from collections import Counter, defaultdict
from datetime import datetime, timezone

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.schemas import TABLES, flatten
from image_analysis_beam.schemas.outcomes import Analyzed, Deferred
from image_analysis_beam.transforms import AnalyzeRequest, PlanWork
from image_analysis_beam.transforms.account_run import AddCounts
from image_analysis_beam.transforms.endpoint.fingerprint import request_fingerprint
from image_analysis_beam.transforms.endpoint.uri import ImageRef, former_image_id
from image_analysis_beam.transforms.files.storage import write_table, write_whole
from image_analysis_beam.transforms.ledger.history import MOST_SHARD_DIGITS, Block, KnownDead, shard_of
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.plan import plan_shard
from image_analysis_beam.transforms.ledger.redrive import RedrivePolicy
from image_analysis_beam.transforms.read_answers import ReadAnswers

TAGS = AnalyzeRequest(features="tags")
MINE = request_fingerprint(TAGS)
COMMITTED, DEAD = "20260101T000000Z-0001", "20260102T000000Z-0002"
URIS = [f"https://h/{number}{query}" for number in range(40) for query in ("", "?token=A", "?token=B")]


def ids_of(uri):
    """The ids under which an image may be known: its own, and the one that an earlier version gave it."""
    return [ImageRef.of(uri).image_id, *filter(None, [former_image_id(uri)])]


@st.composite
def histories(draw):
    known = st.sampled_from([image_id for uri in URIS for image_id in ids_of(uri)])
    fingerprint = st.sampled_from([MINE, "v1-other"])
    dead = st.builds(KnownDead, st.booleans(), st.integers(0, 4), st.none(), st.integers(0, 9), st.just("outage"))
    rows = {
        "answered": st.tuples(known, fingerprint),
        "journalled": st.tuples(known, fingerprint, st.integers(10, 99), st.sampled_from("ab"), st.integers(0, 99)),
        "dead": st.tuples(known, st.just(MINE), dead),
        "deferred": st.tuples(known, st.just(MINE), st.just("outage")),
    }
    return {kind: draw(st.lists(row, max_size=12)) for kind, row in rows.items()}


def planned(images, history, digits):
    """All that is decided, in an order of its own, and how many shards there were."""
    shards = defaultdict(lambda: ([], []))
    for image in images:
        shards[shard_of(image.image_id, digits)][0].append(image)
    for kind, rows in history.items():
        for row in rows:
            shards[shard_of(row[0], digits)][1].append(Block(kind, [row], {MINE: 1}))
    plans = [plan_shard([listed], blocks, ["tags"], RedrivePolicy()) for listed, blocks in shards.values()]
    return len(shards), {
        "to_do": sorted(to_do for plan in plans for to_do in plan.to_do),
        "duplicates": sorted(image for plan in plans for image in plan.duplicates),
        "skipped": sum((Counter(plan.skipped) for plan in plans), Counter()),
        "recovered": sorted((path, row) for plan in plans for path, rows in plan.recovered.items() for row in rows),
        "recovered_inputs": sum(plan.recovered_inputs for plan in plans),
        "by_former_id": set[str]().union(*(plan.by_former_id for plan in plans)),
    }


@given(st.lists(st.sampled_from(URIS), max_size=60), histories(), st.sampled_from([1, 3, MOST_SHARD_DIGITS]))
def test_decisions_do_not_depend_on_the_shards(uris, history, digits):
    images = [ImageRef.of(uri) for uri in uris]
    usual, other = planned(images, history, 2), planned(images, history, digits)
    assert usual[1] == other[1]


def answers(source, uris):
    """Answers of this request, each under one of the ids that its image may be known by."""
    body = '{"modelVersion":"v","metadata":{"width":60,"height":50}}'
    call = (None, None, 1, 12.5, 1, False, 70, 0, datetime(2026, 1, 1, tzinfo=timezone.utc))
    asked = ("2024-02-01", ("tags",), None, body)
    rows = [Analyzed(source.choice(ids_of(uri)), uri, MINE, COMMITTED, *asked, *call) for uri in uris]
    return TABLES["responses"].to_table(rows)


@pytest.fixture
def out(tmp_path):
    """A folder with a committed run and a dead one."""
    layout, source = Layout(str(tmp_path / "out")), random.Random(3)
    committed = flatten(answers(source, URIS[:30])).tables["images"]
    deferred = [Deferred(ImageRef.of(uri).image_id, uri, "outage", "", MINE, COMMITTED) for uri in URIS[30:45]]
    write_table(f"{layout.partition('images', COMMITTED)}/0.parquet", committed)
    write_table(f"{layout.partition('deferred', COMMITTED)}/0.parquet", TABLES["deferred"].to_table(deferred))
    write_table(f"{layout.journal(DEAD)}/0.parquet", answers(source, URIS[20:70]))
    tables = {
        name: {"rows": 30, "files": [f"{name}/run={COMMITTED}/0.parquet"]}
        for name in ("images", "deferred", "responses")
    }
    write_whole(layout.record(COMMITTED), json.dumps({"tables": tables}).encode())
    return layout.output


def work_of(out, digits, file):
    """What `PlanWork` makes of the list, by output, in an order of its own."""
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        images = pipeline | beam.Create([ImageRef.of(uri) for uri in [*URIS, *URIS[::7]]])
        work = images | PlanWork(TAGS, out, max_calls=20, shard_digits=digits)
        work["recovered"] |= "Ids" >> beam.FlatMap(lambda table: table["image_id"].to_pylist())
        work["counts"] |= "Sum" >> beam.CombineGlobally(AddCounts())
        named = [each | f"Name {name}" >> beam.Map(lambda one, name: (name, one), name) for name, each in work.items()]
        everything = named | beam.Flatten() | beam.combiners.ToList()
        everything | "Keep" >> beam.Map(lambda elements: file.write_bytes(pickle.dumps(elements)))
    found = defaultdict(list)
    for name, element in pickle.loads(file.read_bytes()):
        found[name].append(element)
    return {name: sorted(elements, key=repr) for name, elements in found.items()}


def test_a_run_plans_the_same(out, tmp_path):
    usual, many = (work_of(out, digits, tmp_path / "found") for digits in (2, 3))
    assert usual == many
    assert usual["counts"][0]["input"] == len(URIS) + len(URIS[::7])
    assert len(usual["to_do"]) == 20
    assert all(usual[name] for name in ("deferred", "recovered"))


def test_answers_to_flatten_again_are_the_same(out, tmp_path):
    def ids(digits):
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            read = pipeline | ReadAnswers(out, digits) | beam.FlatMap(lambda table: table["image_id"].to_pylist())
            read | beam.combiners.ToList() | beam.Map(lambda found: (tmp_path / "ids").write_bytes(pickle.dumps(found)))
        return sorted(pickle.loads((tmp_path / "ids").read_bytes()))

    stored = answers(random.Random(4), [*URIS, *URIS])
    write_table(f"{Layout(out).partition('responses', COMMITTED)}/0.parquet", stored)
    assert ids(2) == ids(3) == sorted(set(stored["image_id"].to_pylist()))
