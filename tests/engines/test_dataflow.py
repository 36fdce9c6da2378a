"""A job submitted to Dataflow: what a stub of its API and the staging bucket received."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from google.cloud import storage
from google.cloud.dataflow_v1beta3 import JobState

from image_analysis_beam.pipeline.dataflow import job_of
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.records import fence

CANARY = "CANARY-1f6b"
SECRET = "projects/photo-project/secrets/vision-key/versions/latest"
STEPS = {
    "ReadImageUris",
    "PlanWork",
    "AnalyzeImages",
    "AnalyzeImages/Call",
    "WriteRun/Flatten 0",
    "WriteRun/WriteTables",
    "WriteRun/AccountRun",
}


class Api:
    """What the stub was given, and what it says of a job: its state, or nothing where it is None."""

    def __init__(self) -> None:
        self.jobs: list[dict] = []
        self.asked_for: list[str] = []
        self.cancelled: list[str] = []
        self.state: str | None = "JOB_STATE_DONE"
        self.on_submission: Callable[[], None] = lambda: None


class Dataflow(BaseHTTPRequestHandler):
    """Takes jobs, and says how they are."""

    api: Api

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.api.jobs.append(job)
        self.api.on_submission()
        self._answer(200, {"id": f"2026-job-{len(self.api.jobs)}", "name": job["name"]})

    def do_PUT(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["requestedState"]
        assert wanted in ("JOB_STATE_CANCELLED", JobState.JOB_STATE_CANCELLED)
        self.api.cancelled.append(urlsplit(self.path).path.rpartition("/")[2])
        self._answer(200, {"id": self.api.cancelled[-1]})

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.api.asked_for.append(path)
        self._answer(200 if self.api.state else 500, {"id": path.rpartition("/")[2], "currentState": self.api.state})

    def _answer(self, status: int, job: dict) -> None:
        body = json.dumps(job).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def dataflow() -> Iterator[tuple[str, Api]]:
    """The URL of a stub of the Dataflow API, and what it was given."""
    handler = type("Jobs", (Dataflow,), {"api": Api()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}", handler.api
        server.shutdown()


@pytest.fixture(scope="module")
def submit(gcs: storage.Bucket, dataflow, command):
    """`submit()`: the command that submits the job."""
    endpoint, _ = dataflow
    gcs.blob("uris.txt").upload_from_string("gs://photos/in/0000.png\n")
    return lambda: command(
        *("--input", "gs://photos/uris.txt", "--output", "gs://photos/tables", "--features", "tags,read"),
        *("--runner", "DataflowRunner", "--project", "photo-project", "--region", "europe-west4"),
        *("--temp_location", "gs://photos/temp", "--staging_location", "gs://photos/staging"),
        *("--dataflow_endpoint", endpoint, "--key_secret", SECRET, "--requests_per_second", "200"),
        environment={"VISION_KEY": CANARY},
    )


@pytest.fixture(scope="module")
def submitted(gcs: storage.Bucket, dataflow, submit):
    """The job's JSON, its pipeline, and all that was staged, by name."""
    finished = submit()
    assert finished.code == 0, finished.err
    assert "submitted" in finished.err
    assert CANARY not in finished.out + finished.err
    staged = {blob.name: blob.download_as_bytes() for blob in gcs.list_blobs(prefix="staging/")}
    (name,) = (name for name in staged if name.endswith("/pipeline.pb") and "/cache/" not in name)
    (job,) = dataflow[1].jobs
    return job, beam_runner_api_pb2.Pipeline.FromString(staged[name]), staged


def test_the_job_is_named_configured_and_keeps_its_secret(submitted):
    job, pipeline, staged = submitted
    steps = {transform.unique_name for transform in pipeline.components.transforms.values()}
    assert steps >= STEPS
    assert not [step for step in steps if "lambda" in step.replace("lambda at core.py", "inside Beam")]
    text = json.dumps(job)
    assert SECRET in text
    for option in ("features", "output", "requests_per_second"):
        assert option in text
    for name, content in {"the job": text.encode(), **staged}.items():
        assert CANARY.encode() not in content, name


def test_the_number_of_workers_carries_the_rate(submitted):
    job, _, _ = submitted
    (pool,) = job["environment"]["workerPools"]
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 2


def owner(gcs: storage.Bucket) -> tuple[str, dict]:
    """The run that owns the folder, and what its launcher said last."""
    newest = sorted(blob.name for blob in gcs.list_blobs(prefix="tables/runs/log/"))[-1]
    run_id = json.loads(gcs.blob(newest).download_as_bytes())["run_id"]
    return run_id, json.loads(gcs.blob(f"tables/runs/{run_id}/members/launcher").download_as_bytes())


def test_the_launcher_notes_its_job(gcs, dataflow, submitted):
    _, says = owner(gcs)
    number = len(dataflow[1].jobs)
    assert says["job"] == {"id": f"2026-job-{number}", "project": "photo-project", "region": "europe-west4"}


@pytest.mark.parametrize("state", ["JOB_STATE_RUNNING", "JOB_STATE_CANCELLING", None], ids=str)
def test_a_job_that_may_be_alive_keeps_its_output(gcs, dataflow, submitted, submit, state):
    _, api = dataflow
    api.state, jobs, (run_id, says) = state, len(api.jobs), owner(gcs)
    api.asked_for.clear()
    refused = submit()
    assert refused.code == 5
    assert f"is owned by run {run_id} " in refused.err.splitlines()[-1]
    assert "Traceback" not in refused.err
    assert api.asked_for == [f"/v1b3/projects/photo-project/locations/europe-west4/jobs/{says['job']['id']}"]
    assert len(api.jobs) == jobs
    assert owner(gcs) == (run_id, says)


def test_a_job_that_was_cancelled_is_taken_over_at_once(gcs, dataflow, submitted, submit):
    _, api = dataflow
    api.state, (cancelled, _) = "JOB_STATE_CANCELLED", owner(gcs)
    taker = submit()
    assert taker.code == 0, taker.err
    assert f"taking over the answers of {cancelled}, which did not end" in taker.err
    assert "looking for a few beats" not in taker.err
    record = json.loads(gcs.blob(f"tables/runs/{cancelled}.json").download_as_bytes())
    assert (record["status"], record["by"]) == ("fenced", owner(gcs)[0])


def test_a_job_of_a_run_that_was_taken_over_meanwhile_is_cancelled(gcs, dataflow, submitted, submit, monkeypatch):
    """A launcher that slept while it staged files has submitted a job that nobody wants."""
    _, api = dataflow

    def taken_over() -> None:
        fence(Layout("gs://photos/tables"), owner(gcs)[0], by="another")

    fence(Layout("gs://photos/tables"), owner(gcs)[0], by="another")
    monkeypatch.setattr(api, "on_submission", taken_over)
    api.state = "JOB_STATE_RUNNING"
    late = submit()
    assert late.code == 5
    assert "was taken over by another" in late.err.splitlines()[-1]
    assert "Traceback" not in late.err
    assert api.cancelled == [f"2026-job-{len(api.jobs)}"]


class Submitted:
    """What Beam's runner gives for a job: its id, where one was submitted."""

    def __init__(self, number: str | None) -> None:
        self.has_job, self._number = number is not None, number

    def job_id(self) -> str | None:
        return self._number


@pytest.mark.parametrize(
    ("template", "number", "noted"),
    [
        (None, "2026-job-1", "2026-job-1"),
        ("gs://photos/staging/template_launches/2026-11-25_04_00_00-123/job_object", None, "2026-11-25_04_00_00-123"),
        ("gs://photos/templates/mine", None, None),
        ("gs://template_launches/mine", None, None),
        (None, None, None),
    ],
)
def test_the_job_is_that_of_the_launch_where_a_template_is_launched(template, number, noted):
    flags = ["--project", "photo-project", "--region", "europe-west4"]
    options = PipelineOptions([*flags, *(["--template_location", template] if template else [])])
    job = job_of(Submitted(number), options)
    assert job == ({"id": noted, "project": "photo-project", "region": "europe-west4"} if noted else {})
