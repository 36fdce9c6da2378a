"""What an installed package has: version, types, files, dependencies by name, links that lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import metadata, packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import image_analysis_beam
from image_analysis_beam.pipeline.__main__ import main

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "transforms", "pipeline", "emulator", "examples", "docs")
NAME = "image-analysis-beam"
OF_EXTRAS = {"azure", "boto3", "botocore"}  # in modules that are imported for s3:// and azfs:// only


def setup(*arguments: str | Path, folder: Path = ROOT, **environment: str) -> str:
    command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", *map(str, arguments)]
    told = os.environ | environment
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=told).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The package as a wheel holds it, made of a copy of the sources."""
    sources = tmp_path_factory.mktemp("sources") / "sources"
    sources.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, sources / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "README.md"):
        shutil.copy(ROOT / name, sources / name)
    setup("build", folder=sources)
    return sources / "build" / "lib" / "image_analysis_beam"


def test_what_is_shipped(built):
    shipped = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    assert {"__init__.py", "__main__.py", "py.typed", "transforms/providers.yaml", "examples/pipeline.yaml"} <= shipped
    assert {f"pipeline/report/{name}" for name in ("report.html", "report.css", "base.js", "runs.js")} <= shipped
    assert {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")} <= shipped
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= shipped
    rooms = [room for room in ROOMS if room != "examples"]
    modules = {str(path.relative_to(ROOT)) for room in rooms for path in (ROOT / room).rglob("*.py")}
    assert {name for name in modules if not name.startswith("pipeline/package/")} <= shipped


def test_the_version_is_told_everywhere(capsys):
    told = image_analysis_beam.__version__
    assert told == version(NAME) == setup("--version").strip()
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"image-analysis-beam {told}\n"
    command = [sys.executable, "-m", "image_analysis_beam", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{NAME} {told}\n"


def test_who_what_and_where():
    told = metadata(NAME)
    assert told["Author"]
    assert {line.partition(",")[0] for line in told.get_all("Project-URL")} >= {"Documentation", "Changelog", "Issues"}
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(told.get_all("Classifier"))


def test_links_of_the_long_description_are_absolute():
    """They lead to the repository that whoever builds the package names."""
    repository = "https://git.example/team/fork"
    links = re.findall(r"\]\(([^)]+)\)", setup("--long-description", SOURCES_URL=f"{repository}/"))
    assert len(links) > 20
    assert not [link for link in links if not link.startswith("https://")]
    assert {link.partition("/blob/")[0] for link in links if "/blob/" in link} == {repository}
    assert setup("--url", SOURCES_URL=repository).strip() == repository
    targets = [re.split("/blob/[^/]+/|#", link)[1] for link in links if "/blob/" in link]
    assert not [name for name in targets if not (ROOT / name).exists()]


def test_what_is_imported_is_named_in_setup():
    """Of the modules that are imported whatever is called: imports inside functions may need an extra."""
    required = [Requirement(line) for line in requires(NAME)]
    named = {requirement.name.lower() for requirement in required if not requirement.marker}
    by_module = packages_distributions()
    for room in ("schemas", "transforms", "pipeline"):
        for path in (ROOT / room).rglob("*.py"):
            for module in imported(path) - OF_EXTRAS - {"image_analysis_beam", *sys.stdlib_module_names}:
                assert named & {name.lower() for name in by_module[module]}, f"{path}: {module}"


def imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(str(node.module).partition(".")[0])
    return modules


@pytest.mark.long
def test_wheel_and_sdist_are_built_installed_and_used_elsewhere():
    done = subprocess.run([ROOT / ".ci" / "package"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "works from" in done.stdout
    assert "no issues found" in done.stdout
