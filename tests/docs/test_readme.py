"""Every command block of the README is run, in a copy of the repository, against the emulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.views.database import Folder, opened
from stand_ins.forked import run_forked

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
KEY = "readme-key"
FOR_REAL = "https://NAME.cognitiveservices.azure.com"


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [block for name, block in fenced if name == language]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The repository as it is checked out, with the .venv of this one."""
    folder = tmp_path_factory.mktemp("copy") / "repository"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    lend_environment(folder)
    return folder


def lend_environment(folder: Path) -> None:
    """Makes the scripts of the copy find a .venv in which all is installed: this one's."""
    if not (ROOT / ".venv" / "installed").exists():
        pytest.skip("needs the .venv that ./run_tests.sh makes")
    (folder / ".venv").mkdir()
    for part in (ROOT / ".venv").iterdir():
        if part.name != "installed":
            (folder / ".venv" / part.name).symlink_to(part)
    with (ROOT / "setup.py").open() as file:
        sum_of_setup = subprocess.run(["cksum"], stdin=file, check=True, capture_output=True, text=True).stdout
    lines = "".join(f"{extra} {sum_of_setup}" for extra in ("emulator", "emulator-ocr", "test"))
    (folder / ".venv" / "installed").write_text(lines)


@pytest.fixture(scope="module")
def service():
    with Emulator(key=KEY) as running:
        yield running


def run(block: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("VISION_", "PYTEST_"))}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=surroundings | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "setting up .venv" not in ran.stdout, "the copy would be what this .venv runs from then on"
    return ran


def test_all_blocks_are_known():
    assert (len(blocks("")), len(blocks("sql")), len(blocks("python"))) == (3, 1, 1)
    assert "─►" in blocks("")[2]


def test_the_two_commands(copy, monkeypatch):
    first, second = blocks("")[0].split()
    assert (first, second) == ("./run_local.sh", "./run_tests.sh")
    ran = run(first, copy)
    assert ran.returncode == 0, ran.stderr
    photos = len(list((copy / "examples" / "photos").glob("*.[jp][pn]g")))
    assert f"{photos} images: {photos} analyzed, 0 dead letters" in ran.stdout
    assert ran.stdout.splitlines()[-3] == "report: out/report.html"
    again = run(first, copy)
    assert f"nothing new, all {photos} are answered" in again.stdout.splitlines()
    assert again.stdout.splitlines()[-3:] == ran.stdout.splitlines()[-3:]
    tested = run(f"{second} -n 0 tests/endpoint/test_retry_after.py", copy)
    assert tested.returncode == 0, tested.stdout
    (query,) = blocks("sql")
    assert query.startswith('-- image-analysis-beam sql out "…"\n')
    monkeypatch.chdir(copy)
    with opened(Folder("out"), query) as connection:
        assert connection.execute(query).fetchall()


def test_with_a_real_resource(copy, service):
    photos = sorted((copy / "examples" / "photos").glob("*.jpg"))
    (copy / "uris-1.txt").write_text("\n".join(map(str, photos)))
    block = blocks("")[1].replace(FOR_REAL, service.url).replace("VISION_KEY=…", f"VISION_KEY={KEY}")
    ran = run(block, copy)
    assert ran.returncode == 0, ran.stderr
    assert f"{len(photos)} images: {len(photos)} analyzed" in ran.stdout
    assert service.stats()["calls"] == len(photos)
    apart = run("./run_local.sh", copy, VISION_ENDPOINT=service.url, VISION_KEY=KEY)
    assert "report: out-yours/report.html" in apart.stdout.splitlines()
    assert "emulator" not in apart.stdout


def test_in_a_pipeline_of_your_own(copy, service, tmp_path):
    (program,) = blocks("python")
    photo = copy / "examples" / "photos" / "coffee.jpg"
    program = program.replace(FOR_REAL, service.url)
    program = program.replace("gs://bucket/a.jpg", str(photo)).replace("https://example.com/b.png", "missing.png")
    program = program.replace("beam.Pipeline()", 'beam.Pipeline(runner="FnApiRunner")')
    done = run_forked([sys.executable, "-c", program], cwd=tmp_path, env=os.environ | {"VISION_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert '"captionResult"' in done.stdout
    assert "coffee.jpg" in done.stdout
