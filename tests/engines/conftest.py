"""The job that every engine runs, in a process of its own, and the emulator that it calls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from PIL import Image

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.schemas import TABLES
from stand_ins.forked import Forked, run_forked

KEY = "engines-key"
FETCHED = Path(__file__).parents[2] / ".venv" / "engines"
OF_THE_CALL = {"run_id", "request_id", "latency_ms", "analyzed_at", "attempts", "first_attempt_at", "last_attempt_at"}


class Finished:
    """The command after it ended: exit code, what it printed, the tables it left."""

    def __init__(self, process: subprocess.CompletedProcess[str], output: str) -> None:
        self.code, self.out, self.err, self.output = process.returncode, process.stdout, process.stderr, output

    def table(self, name: str) -> list[str]:
        """The rows of a table, in an order of their own, without what differs from call to call."""
        columns = ", ".join(f'"{column}"' for column in TABLES[name].schema.names if column not in OF_THE_CALL)
        files = f"read_parquet('{self.output}/{name}/run=*/*.parquet', hive_partitioning=false, union_by_name=true)"
        return sorted(map(repr, duckdb.connect().execute(f"SELECT {columns} FROM {files}").fetchall()))


@pytest.fixture(scope="session")
def service() -> Iterator[Emulator]:
    """One emulator for all engines, on its own thread."""
    with Emulator(key=KEY) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def command(service: Emulator) -> Callable[..., Finished]:
    """`command("--input", …, "--output", folder)`: `image-analysis-beam run` as a process, against the emulator."""

    def run(*flags: Any, environment: dict[str, str] | None = None, seconds: float = 120) -> Finished:
        arguments = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *map(str, flags)]
        ended = run_forked(arguments, timeout=seconds, env=job_environment(service) | (environment or {}))
        return Finished(ended, arguments[arguments.index("--output") + 1])

    return run


@pytest.fixture(scope="session")
def killed(service: Emulator) -> Callable[..., None]:
    """`killed(calls, "--input", …)`: that command, killed (`kill -9`) when so many calls were made."""

    def run(calls: int, *flags: str) -> None:
        command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *flags]
        environment = job_environment(service)
        process = Forked(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and service.stats()["calls"] < calls:
            threading.Event().wait(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL

    return run


def fetched(variable: str, name: str) -> str:
    """The path of an engine's part, from the environment or from where `.ci/engines.sh` puts it."""
    path = Path(os.environ.get(variable) or FETCHED / name)
    if not path.exists():
        pytest.skip(f"{name} is not here: set {variable}, or get it into .venv/engines with `.ci/engines.sh`")
    return str(path)


def prism() -> list[str]:
    """The flags for Prism."""
    return ["--runner=PrismRunner", f"--prism_location={fetched('PRISM_BINARY', 'prism')}"]


def job_environment(service: Emulator) -> dict[str, str]:
    """The environment in which the command finds the emulator, and `python` is this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"VISION_ENDPOINT": service.url, "VISION_KEY": KEY, "PATH": path}


@pytest.fixture(scope="session")
def job_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 240 good pictures, a few that cannot be analyzed, one twice."""
    folder = tmp_path_factory.mktemp("pictures")
    uris = [str(picture(folder / f"{index:04d}.png", index)) for index in range(240)]
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").touch()
    Image.new("RGB", (10, 10)).save(folder / "tiny.png")
    uris += [str(folder / name) for name in ("text.png", "empty.png", "tiny.png", "missing.png")]
    listed = folder / "uris.txt"
    listed.write_text("\n".join([*uris, uris[0], "ftp://host/a.png"]) + "\n")
    return listed


def picture(path: Path, index: int) -> Path:
    """A picture of two coloured halves, unlike that of any other index."""
    image = Image.new("RGB", (120, 90), (index % 256, 40 + index % 200, 200 - index % 150))
    image.paste((255 - index % 256, index % 90, 160), (index % 60, 20, index % 60 + 40, 70))
    image.save(path)
    return path
