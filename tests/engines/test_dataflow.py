"""A job submitted to Dataflow: what a stub of its API and the staging bucket received."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from apache_beam.portability.api import beam_runner_api_pb2
from google.cloud import storage

CANARY = "CANARY-1f6b"
SECRET = "projects/photo-project/secrets/vision-key/versions/latest"
STEPS = {
    "ReadImageUris",
    "PlanWork",
    "AnalyzeImages",
    "AnalyzeImages/Call",
    "JournalAnswers",
    "FlattenSections",
    "WriteTables",
    "AccountRun",
}


class Dataflow(BaseHTTPRequestHandler):
    """Takes jobs and calls them done."""

    jobs: list[dict]

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.jobs.append(job)
        self._answer(job)

    def do_GET(self) -> None:
        self._answer(self.jobs[-1] if "/messages" not in self.path else {})

    def _answer(self, job: dict) -> None:
        body = json.dumps({"id": "2026-job-1", "name": job.get("name", ""), "currentState": "JOB_STATE_DONE"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def dataflow() -> Iterator[tuple[str, list[dict]]]:
    """The URL of a stub of the Dataflow API, and the jobs that it was given."""
    handler = type("Jobs", (Dataflow,), {"jobs": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}", handler.jobs
        server.shutdown()


@pytest.fixture(scope="module")
def submitted(gcs: storage.Bucket, dataflow, command):
    """The job's JSON, its pipeline, and all that was staged, by name."""
    endpoint, jobs = dataflow
    gcs.blob("uris.txt").upload_from_string("gs://photos/in/0000.png\n")
    finished = command(
        *("--input", "gs://photos/uris.txt", "--output", "gs://photos/tables", "--features", "tags,read"),
        *("--runner", "DataflowRunner", "--project", "photo-project", "--region", "europe-west4"),
        *("--temp_location", "gs://photos/temp", "--staging_location", "gs://photos/staging"),
        *("--dataflow_endpoint", endpoint, "--key_secret", SECRET, "--requests_per_second", "200"),
        environment={"VISION_KEY": CANARY},
    )
    assert finished.code == 0, finished.err
    assert "submitted" in finished.err
    assert CANARY not in finished.out + finished.err
    staged = {blob.name: blob.download_as_bytes() for blob in gcs.list_blobs(prefix="staging/")}
    (name,) = (name for name in staged if name.endswith("/pipeline.pb") and "/cache/" not in name)
    (job,) = jobs
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
