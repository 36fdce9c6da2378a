"""`--setup_file=./setup.py`: the sdist that Beam stages installs and imports where nothing of this repository is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from apache_beam.runners.portability.stager import Stager

ROOT = Path(__file__).parents[2]
NOT_SOURCE = shutil.ignore_patterns(".*", "tests", "build", "dist", "out", "*.egg-info", "__pycache__", "photos")
IMPORT_ALL = """
import importlib, pkgutil, image_analysis_beam
modules = [m.name for m in pkgutil.walk_packages(image_analysis_beam.__path__, "image_analysis_beam.")]
for name in modules:
    if not name.endswith("__main__") and ".ocr" not in name:
        importlib.import_module(name)
print(len(modules), image_analysis_beam.__path__[0])
"""


ROOMS = ("schemas", "transforms", "pipeline", "emulator")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by Beam's own stager, from a copy of the sources."""
    sources, folder = tmp_path_factory.mktemp("copy") / "sources", tmp_path_factory.mktemp("staged")
    shutil.copytree(ROOT, sources, ignore=NOT_SOURCE)
    here = os.getcwd()
    try:
        os.chdir(sources)
        return Path(Stager._build_setup_package("./setup.py", str(folder)))
    finally:
        os.chdir(here)


def test_the_staged_package_imports_in_a_clean_environment(sdist, tmp_path):
    """Dependencies come from this interpreter's environment; the package itself only from the sdist."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", sdist]
    subprocess.run(install, check=True, cwd=tmp_path)
    dependencies = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    ended = subprocess.run(
        [python, "-c", IMPORT_ALL],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": dependencies},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    number, path = ended.stdout.split()
    assert Path(path).is_relative_to(environment)
    itself = 1  # what the walk begins with
    assert int(number) == sum(len(list((ROOT / room).rglob("*.py"))) for room in ROOMS) - itself
