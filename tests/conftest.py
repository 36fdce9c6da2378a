"""Shared by all tests: the emulator over real HTTP, the command, pictures, and the tables it wrote."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from inspect import Signature
from pathlib import Path
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import duckdb
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core, userstate
from apache_beam.typehints.decorators import get_signature
from hypothesis import HealthCheck, settings
from PIL import Image

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main

# The same cases every time, but where new ones are asked for (`.ci/long seeds`).
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)  # on a busy machine
settings.register_profile("same", _PATIENT, derandomize=True)
settings.register_profile("seeds", _PATIENT, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
pytest_plugins = ["stand_ins.fixtures"]

# Half of what a small pipeline takes is Beam reading the signature of each method of each DoFn, ten times, and argparse
# asking for translations and for the width of a terminal at each of Beam's options, a hundred times: a suite of a
# thousand pipelines does the first once, has nothing to translate, and no terminal.
os.environ["LANGUAGE"] = "C"
_terminal_size = shutil.get_terminal_size
shutil.get_terminal_size = lambda fallback=(80, 24): (
    _terminal_size(fallback) if "COLUMNS" in os.environ else os.terminal_size(fallback)
)
_signature_of_bound = lru_cache(4096)(lambda function: get_signature(MethodType(function, object())))


def _signature(function: Callable[..., Any]) -> Signature:
    return _signature_of_bound(function.__func__) if isinstance(function, MethodType) else get_signature(function)


core.get_signature = _signature

_specs_of_dofn = userstate.get_dofn_specs
# Of state and timers: no DoFn here has any that its class has not.
_specs: dict[type, tuple[set[Any], set[Any]]] = {}


def _specs_of_class(dofn: Any) -> tuple[set[Any], set[Any]]:
    if type(dofn) not in _specs:
        _specs[type(dofn)] = _specs_of_dofn(dofn)
    return _specs[type(dofn)]


userstate.get_dofn_specs = _specs_of_class

_new_view = PipelineOptions.view_as
_views: WeakKeyDictionary[PipelineOptions, dict[type, Any]] = WeakKeyDictionary()


def _one_view(options: PipelineOptions, cls: type[PipelineOptions]) -> PipelineOptions:
    views = _views.setdefault(options, {})
    if cls not in views:
        views[cls] = _new_view(options, cls)
    return views[cls]


PipelineOptions.view_as = _one_view


def pytest_collection_finish() -> None:
    """The collector need not go through all that is imported in each of a thousand pipelines."""
    gc.freeze()


KEY = "emulator-key"
ALL_FEATURES = "caption,denseCaptions,tags,objects,people,smartCrops,read"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator of its own, to which the environment points."""
    with Emulator(key=KEY, models={"products": "classifier"}) as running:
        monkeypatch.setenv("VISION_ENDPOINT", running.url)
        monkeypatch.setenv("VISION_KEY", KEY)
        yield running


class Run:
    """A finished run of the command, and what it left."""

    def __init__(self, code: int, out: str, err: str, output: Path) -> None:
        self.code, self.out, self.err, self.output = code, out, err, output

    @property
    def manifest(self) -> dict[str, Any]:
        (run_id,) = re.findall(r"/run=([^/]+)/", self.out)
        return json.loads((self.output / "runs" / f"{run_id}.json").read_text())

    def rows(self, table: str, columns: str = "*", where: str = "true") -> list[tuple]:
        """Rows of a table over all partitions, read by DuckDB."""
        connection = duckdb.connect()
        connection.execute("SET TimeZone='UTC'")
        files = f"'{self.output}/{table}/run=*/*.parquet', hive_partitioning=false, union_by_name=true"
        return connection.execute(f"SELECT {columns} FROM read_parquet({files}) WHERE {where}").fetchall()


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """`run("--input", …)`: the command in this process, writing to `tmp_path/out`."""

    def run_command(*arguments: Any, features: str | None = "tags", command: str = "run", rate: str = "2000") -> Run:
        flags = [command, *map(str, arguments)]
        if not any(flag == "--output" for flag in flags):
            flags += ["--output", str(tmp_path / "out")]
        if features:
            flags += ["--features", features]
        if command == "run" and rate and "--requests_per_second" not in flags:
            flags += ["--requests_per_second", rate]
        capsys.readouterr()
        code = main(flags)
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err, Path(flags[flags.index("--output") + 1]))

    return run_command


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Path]:
    """`make_picture(path, index, width)`: the function that makes one picture."""
    return picture


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], list[Path]]:
    """`pictures(n)`: n small pictures with different content, all valid."""

    def make(number: int, folder: str = "pictures", first: int = 0, width: int = 64) -> list[Path]:
        directory = tmp_path / folder
        directory.mkdir(exist_ok=True)
        return [picture(directory / f"{width}-{index:05d}.png", index, width) for index in range(first, first + number)]

    return make


def picture(path: Path, index: int, width: int = 64) -> Path:
    """A small picture that differs from every other index; a width of its own lets a fault rule pick it."""
    image = Image.new("RGB", (width, 50), (index % 256, index // 256 % 256, 128))
    image.putpixel((index % 64, index // 64 % 50), (255, 255, 255))
    image.save(path)
    return path


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., Path]:
    """`listed(uris)`: a text list of them."""

    def write(uris: list[Any], name: str = "uris.txt") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{os.fspath(uri) if isinstance(uri, Path) else uri}\n" for uri in uris))
        return path

    return write
