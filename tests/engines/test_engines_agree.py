"""The same job on every engine: the same tables, row for row, and the rate of the whole job held."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.schemas import TABLES

from .conftest import fetched, prism

WORKER = Path(__file__).with_name("process_worker.py")
RATE = 100
WRITTEN = list(TABLES)
FAULTS = [
    {"match": {"rate": 0.05, "seed": 1, "first": 1, "per_image": True}, "fault": "unavailable"},
    {"match": {"rate": 0.03, "seed": 2, "first": 1, "per_image": True}, "fault": "reset_midway"},
    {"match": {"rate": 0.03, "seed": 3}, "fault": "image_format"},
    {"match": {"rate": 0.03, "seed": 4}, "fault": "no_metadata"},
]


def flink(folder: Path) -> list[str]:
    if not shutil.which("java"):
        pytest.skip("Flink runs on Java, which is not here: apt-get install openjdk-17-jre-headless")
    return [
        *("--runner=FlinkRunner", "--flink_version=1.20", "--flink_master=[local]", "--parallelism=2"),
        f"--flink_job_server_jar={fetched('FLINK_JOB_SERVER_JAR', 'flink-job-server.jar')}",
    ]


def as_process(folder: Path) -> list[str]:
    """The environment in which the runner starts worker processes of its own: nothing is shared with the launcher."""
    script = folder / "boot"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{WORKER}" "$@"\n')
    script.chmod(0o755)
    return ["--environment_type=PROCESS", f"--environment_config={json.dumps({'command': str(script)})}"]


ENGINES: dict[str, Callable[[Path], list[str]]] = {
    "in memory": lambda folder: [],
    "multi-processing": lambda folder: ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
    "Prism, loopback": lambda folder: prism(),
    "Prism, processes": lambda folder: prism() + as_process(folder),
    "Flink, loopback": lambda folder: [*flink(folder), "--environment_type=LOOPBACK"],
    "Flink, processes": lambda folder: flink(folder) + as_process(folder),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, list[str]]:
    """The tables of the first engine, by name."""
    return {}


@pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=pytest.mark.long if name == "Prism, loopback" else ()) for name in ENGINES]
)
def test_every_engine_gives_the_same_tables_at_the_rate(
    engine, expected, service: Emulator, command, job_input, tmp_path
):
    flags = ENGINES[engine](tmp_path)
    service.reset()
    service.set_faults({"rules": FAULTS, "limits": [{"calls": RATE, "seconds": 1}]})
    finished = command(
        *("--input", job_input, "--output", tmp_path / "out", "--features", "caption,tags,objects,people,smartCrops"),
        *("--requests_per_second", RATE, *flags),
    )
    assert finished.code == 0, finished.err
    assert "246 images" in finished.out
    assert "Traceback" not in finished.err, "a job server was not stopped"
    tables = {name: finished.table(name) for name in WRITTEN}
    for name, rows in (expected or tables).items():
        assert tables[name] == rows, name
    expected.update(tables)
    assert len(tables["dead_letters"]) > 5
    check_rate(engine, service)


def check_rate(engine: str, service: Emulator) -> None:
    """Over the whole job, whatever number of processes made the calls."""
    stats = service.stats()
    seconds = [second["arrivals"] for second in stats["per_second"].values() if second["arrivals"]]
    most, refused = stats["most_accepted_in_1s"], stats["by_status"].get("429", 0)
    print(
        f"{engine}: {stats['calls']} calls, {seconds} a second; at most {most} within one of {RATE}; {refused} refused"
    )
    assert refused <= 0.2 * stats["calls"]  # what a pause of the machine bunches; of twice the rate it is half
