"""Lists, images and output on each store of a cloud: whole jobs against the servers that stand in for them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.transforms.files.many import in_parallel, list_folder
from image_analysis_beam.transforms.files.storage import read_table, write_whole

RATE, IN_FLIGHT, IMAGES = 60, 8, 300


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    """`gs://photos`, `s3://photos` or `azfs://ACCOUNT/photos`."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else f"gs://{found.name}"


@pytest.fixture
def pictures(root: str, tmp_path: Path) -> Callable[[int], list[str]]:
    """`pictures(n)`: the URIs of n pictures on the store, and a list of them at `uris.txt`."""
    folder = f"{root}/{tmp_path.name}"

    def upload(number: int) -> list[str]:
        uris = [f"{folder}/in/{index:04d}.png" for index in range(number)]
        list(in_parallel(lambda uri: write_whole(uri, _png(int(uri[-8:-4]))), uris, at_once=8))
        write_whole(f"{folder}/uris.txt", "\n".join(uris).encode())
        return uris

    return upload


def _png(index: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 50), (index % 256, index // 256, 128)).save(file, "PNG")
    return file.getvalue()


def _names(folder: str) -> list[str]:
    return sorted(file.path.removeprefix(folder) for file in list_folder(folder))


def _column(output: str, table: str, column: str) -> list[str]:
    files = sorted(file.path for file in list_folder(f"{output}/{table}") if file.path.endswith(".parquet"))
    return [value for path in files for value in read_table(path, [column])[column].to_pylist()]


@pytest.mark.parametrize("root", ["s3", "azure"], indirect=True)
def test_a_job_is_there_and_never_paid_twice(root, pictures, tmp_path, service: Emulator, capsys, monkeypatch):
    service.reset()
    uris, folder = pictures(40), f"{root}/{tmp_path.name}"
    output = f"{folder}/out [1]"
    flags = ["--input", f"{folder}/uris.txt", "--images", f"{folder}/in/00[0-3]?.png", "--output", output]
    monkeypatch.setenv("VISION_ENDPOINT", service.url)
    monkeypatch.setenv("VISION_KEY", "engines-key")
    assert main(["run", *flags, "--features", "tags,caption", "--requests_per_second", "500"]) == 0
    assert sorted(_column(output, "images", "image_uri")) == uris
    assert sorted({*_column(output, "tags", "image_uri")}) == uris
    assert _names(f"{output}/journal") == _names(f"{output}/staging") == []

    assert main(["run", *flags, "--features", "tags,caption"]) == 0
    assert service.stats()["calls"] == 40
    assert main(["report", output]) == 0
    assert "/report.html" in _names(output)
    capsys.readouterr()
    assert main(["show", output]) == 0
    assert "2 runs, the newest last:" in capsys.readouterr().out
    assert main(["sql", output, "SELECT count(*) AS n FROM tags JOIN images USING (image_id) WHERE ordinal = 0"]) == 0
    assert capsys.readouterr().out == "n\n40\n"
    assert main(["show", output, uris[0]]) == 0
    assert "skipped: answered before" in capsys.readouterr().out
    assert main(["sql", output, "--write", str(tmp_path / "out.duckdb")]) == 0
    with duckdb.connect(str(tmp_path / "out.duckdb")) as database:
        assert database.execute("SELECT DISTINCT place FROM outcomes").fetchall() == [("answered",)]


@pytest.mark.long
@pytest.mark.parametrize("root", ["gcs", "s3", "azure"], indirect=True)
def test_a_killed_job_is_taken_up(root, pictures, tmp_path, service: Emulator, command, killed):
    service.reset()
    uris, folder = pictures(IMAGES), f"{root}/{tmp_path.name}"
    output = f"{folder}/out"
    flags = [
        *("--input", f"{folder}/uris.txt", "--output", output, "--features", "tags"),
        *("--requests_per_second", str(RATE), "--max_in_flight", str(IN_FLIGHT)),
    ]
    killed(IMAGES // 2, *flags)
    assert _names(f"{output}/journal"), "nothing was journalled before the kill"
    assert not [name for name in _names(f"{output}/runs") if name.endswith(".json") and "/log/" not in name]

    finished = command(*flags)

    assert finished.code == 0, finished.err
    assert "taking over the answers of" in finished.err
    assert sorted(_column(output, "images", "image_uri")) == uris
    assert sorted(_column(output, "responses", "image_uri")) == uris
    assert _names(f"{output}/journal") == _names(f"{output}/staging") == []
    assert [name for name in _names(f"{output}/runs") if name.endswith(".started")] == []
    calls = service.stats()["calls"]
    print(f"killed at {IMAGES // 2} calls: {calls} calls for {IMAGES} images")
    assert calls <= IMAGES + IN_FLIGHT + 3 * RATE
