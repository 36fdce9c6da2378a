"""Runs start, stall, die, wake, fence, commit, commit again and tidy in any order: what the ledger never violates.

The functions are the project's own; the store is in memory, shows names late, loses replies, and lets go one request at
a time. The judge of who is alive errs at will.
"""

import json
import os
from collections import Counter
from contextlib import suppress
from functools import cache
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from image_analysis_beam.transforms.endpoint.fingerprint import request_fingerprint
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.files import store
from image_analysis_beam.transforms.files.storage import join, write_table
from image_analysis_beam.transforms.ledger.history import history_files, read_journalled, scan
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.liveness import launcher
from image_analysis_beam.transforms.ledger.members import Member
from image_analysis_beam.transforms.ledger.plan import plan_shard
from image_analysis_beam.transforms.ledger.records import TakenOver, commit, fence
from image_analysis_beam.transforms.ledger.redrive import RedrivePolicy
from image_analysis_beam.transforms.ledger.start import Owned, start_run
from image_analysis_beam.transforms.ledger.tidy import tidy
from image_analysis_beam.transforms.write_tables import WrittenFile, publish
from stand_ins.stepped_store import Process, SteppedStore, World

IMAGES = [ImageRef.of(f"/images/{number}.png") for number in range(4)]
IDS = [image.image_id for image in IMAGES]
REQUEST = AnalyzeRequest("tags")
FINGERPRINT = request_fingerprint(REQUEST)
BEAT = 10.0
TRIES = 3
MOST_AT_ONCE = 3
REQUESTS = st.sampled_from([1, 2, 3, 5, 8, 12, 20, 35, 60])  # a job needs about sixty
SOME_IMAGES = st.sets(st.sampled_from(range(len(IMAGES))), min_size=1, max_size=2)
ONE_OF_FOUR = st.sampled_from([True, False, False, False])


def rows(ids):
    return pa.table({"image_id": pa.array(ids, pa.string()), "fingerprint": [FINGERPRINT] * len(ids)})


@cache  # it is asked for every file after every step
def ids_of(data):
    return pq.ParquetFile(BytesIO(data)).read(["image_id"])["image_id"].to_pylist()


class Job:
    """A run of some images, from its start to what it removes; each request of it waits to be let go."""

    def __init__(self, machine, number, images, is_dead, repeats):
        self.machine, self.images, self.is_dead, self.repeats = machine, images, is_dead, repeats
        self.run_id = f"20260101T{number:06d}Z-0000"
        root = f"p{number}://"
        self.layout = Layout(f"{root}out")
        self.store = SteppedStore(machine.world, f"{root}out/")
        store.MAKERS[f"p{number}"] = lambda _: self.store
        self.process = Process(self.work)
        self.store.process = self.process

    def work(self):
        with suppress(Owned, OSError):
            start_run(self.layout.output, self.run_id, judge=lambda *_: not self.is_dead, owner={"token": self.run_id})
            with suppress(TakenOver):
                try:
                    self.go()
                except OSError:
                    fence(self.layout, self.run_id, by=self.run_id)

    def go(self):
        self.member = Member(
            self.layout, self.run_id, launcher(self.layout, self.run_id), clocks=self.clocks, patience=0
        )
        self.again(self.member.beat)
        answered = self.recovered()
        for image_id in self.to_do:
            if not self.again(self.member.may_call):
                return
            self.machine.called(self)
            path = join(self.layout.journal(self.run_id), f"{image_id}.parquet")
            self.again(write_table, path, rows([image_id]))
            answered.append(image_id)
        staged = WrittenFile("images", join(self.layout.staging(self.run_id), "images-1.parquet"), len(answered))
        self.again(write_table, staged.path, rows(answered))
        for _ in range(self.repeats):
            files = self.again(publish, self.layout, self.run_id, ["images"], [staged])
            names = [self.layout.name(file.path) for file in files]
            manifest = {"run_id": self.run_id, "tables": {"images": {"rows": len(answered), "files": names}}}
            record = self.again(commit, self.layout, self.run_id, manifest)
            self.again(tidy, self.layout, self.run_id, record)

    def recovered(self):
        """Plans; returns the images that need no call because a journal has their answer."""
        blocks = self.again(self.read_history)
        plan = plan_shard([self.images], blocks, REQUEST.features, RedrivePolicy())
        self.to_do = [to_do.image.image_id for to_do in plan.to_do]
        return [image_id for path, at in plan.recovered.items() for image_id in self.again(self.read_segment, path, at)]

    def read_segment(self, path, at):
        return [image_id for table in read_journalled(path, [at]) for image_id in table["image_id"].to_pylist()]

    def read_history(self):
        files = list(history_files(self.layout, self.run_id, REQUEST))
        return [block for file in files for _, block in scan(file)]

    def again(self, do, *arguments):
        """As an engine would."""
        for _ in range(TRIES - 1):
            with suppress(OSError):
                return do(*arguments)
        return do(*arguments)

    def clocks(self):
        return self.machine.now, self.machine.now


class Runs(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.world = World(lambda name: name.startswith("runs/") and name.endswith(".json"))
        self.jobs, self.number, self.now, self.late_calls = [], 0, 0.0, []
        self.ever = set()

    def called(self, job):
        record = self.world.files.get(f"runs/{job.run_id}.json")
        if record is not None and self.now > job.member.beats.valid_until[0]:
            self.late_calls.append(job.run_id)

    @precondition(lambda self: len(self.living) < MOST_AT_ONCE)
    @rule(images=SOME_IMAGES, waits=ONE_OF_FOUR, repeats=st.integers(1, 2))
    def start(self, images, waits, repeats):
        self.number += 1
        self.jobs.append(Job(self, self.number, [IMAGES[index] for index in images], not waits, repeats))

    @property
    def living(self):
        return [job for job in self.jobs if not job.process.has_ended]

    @precondition(lambda self: self.living)
    @rule(data=st.data(), requests=REQUESTS)
    def go_on(self, data, requests):
        job = data.draw(st.sampled_from(range(len(self.living))))
        self.let_go(self.living[job], requests)

    @precondition(lambda self: self.living)
    @rule(data=st.data(), fault=st.sampled_from(["lag", "lost reply", "refused"]), before=REQUESTS)
    def go_wrong(self, data, fault, before):
        job = self.living[data.draw(st.sampled_from(range(len(self.living))))]
        self.let_go(job, before)
        self.let_go(job, 1, fault)

    @precondition(lambda self: self.living)
    @rule(data=st.data(), does=ONE_OF_FOUR)
    def kill(self, data, does):
        if does:
            self.living[data.draw(st.sampled_from(range(len(self.living))))].process.kill()

    @rule(seconds=st.sampled_from([1.0, BEAT, 3 * BEAT]))
    def wait(self, seconds):
        self.now += seconds

    def let_go(self, job, requests, fault=""):
        for _ in range(requests):
            if job.process.has_ended:
                break
            job.process.step(fault)
            self.check()
        if job.process.error:
            raise job.process.error

    @invariant()
    def check(self):
        if not hasattr(self, "world"):
            return
        files = self.world.files
        records = {name[5:-5]: json.loads(data) for name, data in files.items() if is_record(name)}
        log = [json.loads(files[name])["run_id"] for name in sorted(files) if name.startswith("runs/log/")]
        undecided = [run for run in log if run not in records]
        assert undecided in ([], log[-1:])
        assert not self.world.broken
        assert not self.late_calls
        named = [
            name
            for record in records.values()
            if record["status"] == "committed"
            for name in record["tables"]["images"]["files"]
        ]
        assert not [name for name in named if name not in files], "a committed file is gone"
        committed = Counter(image_id for name in named for image_id in ids_of(files[name]))
        assert not [image_id for image_id, number in committed.items() if number > 1], "committed twice"
        journalled = {image_id for name in files if name.startswith("journal/") for image_id in ids_of(files[name])}
        self.ever |= journalled
        assert self.ever <= journalled | set(committed), "a paid answer is lost"
        self.committed = committed

    def teardown(self):
        """Then the same command once more, undisturbed."""
        if not hasattr(self, "world"):
            return
        for job in self.living:
            job.process.kill()
        self.start(range(len(IMAGES)), False, 1)
        last = self.jobs[-1]
        while not last.process.has_ended:
            self.let_go(last, 1)
        assert self.committed == Counter(IDS)
        left = [name for name in self.world.files if name.startswith(("journal/", "staging/")) or "/members/" in name]
        assert not left


def is_record(name):
    return name.startswith("runs/") and name.count("/") == 1 and name.endswith(".json")


@pytest.fixture(autouse=True)
def makers(monkeypatch):
    monkeypatch.setattr(store, "MAKERS", dict(store.MAKERS))


def steps(number):
    """So many steps, fifty in an example."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=number // 50, stateful_step_count=50, suppress_health_check=quiet)


class TestProtocol(Runs.TestCase):
    settings = steps(int(os.environ.get("PROTOCOL_STEPS", "5000")))
