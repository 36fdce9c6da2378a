"""The command `show`: runs, a few rows of a view, and all that is known of one image."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.views.definitions import VIEWS
from image_analysis_beam.pipeline.views.text import table_text
from image_analysis_beam.schemas import TABLES


@pytest.fixture
def show(history, capsys):
    """`show(…)`: the output of a command that ends well."""

    def look(*arguments):
        assert main(["show", str(history.output), *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return look


@pytest.fixture
def known(show):
    """`known(image)`: all that is known of it, as data."""
    return lambda image: json.loads(show(image, "--json"))


def results(known_of):
    return [row["result"] for row in known_of["runs"]]


def test_runs_and_the_newest_of_them(show, history):
    out = show()
    last = history.manifests[-1]
    assert out.startswith("4 runs, the newest last:\n")
    assert [line.split()[0] for line in out.splitlines()[2:6]] == [run["run_id"] for run in history.manifests]
    assert f"run {last['run_id']}:\n" in out
    assert "skipped: 6 answered, 1 known_bad" in out
    told = json.loads(show("--json"))
    assert [run["input"] for run in told] == [10, 6, 10, 9]


def test_what_is_too_long_for_a_column():
    """Of a sentence the beginning stays, of a URI both ends; numbers have six digits, or all of them."""
    row = ("a plain picture in beige", "https://example.com/photos/one.jpg", 0.7112304687499998)
    (short,) = table_text(["text", "image_uri", "confidence"], [[row]], 20)
    assert short.splitlines()[1].split("  ") == ["a plain picture in …", "https://e…os/one.jpg", "0.71123"]
    (whole,) = table_text(["text", "image_uri", "confidence"], [[row]])
    assert all(str(value) in whole for value in row)


def test_it_says_whose_answers_they_are(show, history, tmp_path, capsys):
    said = "answers are the emulator's"
    for arguments in ((), ("captions",), ("raw.tags",), ("images",)):
        assert said in show(*arguments), arguments
    assert "model 2023-10-01-emulator" in show(history.pictures[0])
    assert said not in show("runs")
    assert json.loads(show("captions", "--json"))

    of_the_service = shutil.copytree(history.output, tmp_path / "out")
    for path in (of_the_service / "images").rglob("*.parquet"):
        rows = pq.read_table(path)
        index = rows.schema.get_field_index("model_version")
        versions = pc.replace_substring(rows["model_version"], "-emulator", "")
        pq.write_table(rows.set_column(index, rows.schema.field(index), versions), path)
    for arguments in ((), ("captions",), ("raw.tags",)):
        assert main(["show", str(of_the_service), *arguments]) == 0
        assert said not in capsys.readouterr().out


@pytest.mark.parametrize("name", [*VIEWS, *(f"raw.{name}" for name in TABLES)])
def test_a_few_rows_of_every_view(show, views, name):
    shown = json.loads(show(name, "--rows", 3, "--json"))
    assert len(shown) == min(3, views.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])
    assert show(name, "--rows", "2").splitlines()


@pytest.mark.parametrize("name", ["tags", "images", "outcomes", "failures", "answers"])
def test_the_rows_are_those_of_the_view(show, views, name):
    for row in json.loads(show(name, "--rows", 100, "--json")):
        key = next(column for column in ("image_id", "run_id") if column in row)
        assert views.execute(f"SELECT count(*) FROM {name} WHERE {key} = ?", [row[key]]).fetchall() > [(0,)]
    assert (
        len(json.loads(show(name, "--rows", 1000, "--json")))
        == views.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
    )


def test_an_image_that_was_answered_twice_and_skipped(known, history):
    image = known(history.pictures[0])
    assert [(row["position"], row["given"]) for row in image["listed"] if row["list"].endswith("uris.txt")] == [
        (1, str(history.pictures[0])),
        (7, f"{history.pictures[0].parent}/./0.png"),
    ]
    of_tags = [row for row in image["runs"] if row.get("features") == ["tags"]]
    assert [row["run_id"] for row in of_tags] == [history.manifests[0]["run_id"], history.manifests[2]["run_id"]]
    assert all(row["attempts"] == 1 and row["request_id"] for row in of_tags)
    assert results(image)[-1] == "skipped: answered before"
    assert ("tags", history.manifests[2]["run_id"]) in [(row["feature"], row["run_id"]) for row in image["held"]]


def test_an_image_that_is_open_says_why_and_what_comes_next(known, show, history):
    missing = history.pictures[0].parent / "missing.png"
    image = known(missing)
    assert results(image) == ["unreadable_image", "unreadable_image", "unreadable_image"]
    assert [row["next"] for row in image["open"]] == ["called again by the next run"]
    out = show(missing)
    assert "listed in " in out
    assert "next: called again by the next run; check that the file exists and may be read" in out


def test_an_image_is_found_by_any_spelling_or_its_id(known, history):
    by_path = known(history.pictures[1])
    assert by_path == known(by_path["image_id"]) == known(f"file://{history.pictures[1]}")


def test_a_line_that_names_no_image(known):
    line = known("ftp://h/x.jpg")
    assert line["listed"][0]["mistake"].startswith("scheme 'ftp' is not supported")
    assert results(line) == ["invalid_uri", "invalid_uri", "skipped: known as invalid_uri"]
    assert known("no\\x00uri")["listed"] == []


def test_what_nobody_knows(history, capsys):
    assert main(["show", str(history.output), "https://photos.example/never.jpg"]) == 2
    assert (
        "image 'https://photos.example/never.jpg': no run of the folder has read or called it"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("what", [[], ["tags"], ["0.png"]])
def test_without_beam(history, what):
    program = (
        "import sys; from image_analysis_beam.pipeline.__main__ import main\n"
        f"assert main(['show', {str(history.output)!r}, *{what!r}]) == 0\n"
        "assert not [name for name in sys.modules if name.startswith('apache_beam')]"
    )
    folder = history.pictures[0].parent
    ended = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
