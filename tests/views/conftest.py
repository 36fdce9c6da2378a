"""One folder with a history: two requests on one list, a list that changes, a run that did not end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.views.database import Folder, opened

KEY = "emulator-key"
HTTP = "http://127.0.0.1:9/refused.jpg"  # nobody listens there


class History(NamedTuple):
    """The output, what its list named, and the manifests of its runs, oldest first."""

    output: Path
    pictures: list[Path]
    manifests: list[dict[str, Any]]


def manifests_of(output: Path) -> list[dict[str, Any]]:
    records = [json.loads(path.read_text()) for path in sorted(output.glob("runs/*.json"))]
    return sorted(records, key=lambda record: (record["committed_at"], record["run_id"]))


@pytest.fixture(scope="package")
def history(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., Path]) -> History:
    """Tags of a list with mistakes; captions of most of its pictures; tags anew; the list without its worst line."""
    folder = tmp_path_factory.mktemp("history")
    pictures = [make_picture(folder / f"{index}.png", index) for index in range(6)]
    uris, output = folder / "uris.txt", folder / "out [1]"
    lines = [*map(str, pictures), f"{folder}/./0.png", "ftp://h/x.jpg", str(folder / "missing.png"), "no\0uri"]
    uris.write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as environment, Emulator(key=KEY) as emulator:
        environment.setenv("VISION_ENDPOINT", emulator.url)
        environment.setenv("VISION_KEY", KEY)
        run = ["run", "--quiet", "--output", str(output), "--requests_per_second", "2000"]
        some = folder / "z.txt"
        some.write_text("\n".join(map(str, pictures)))
        manifests = []
        for uris_of, *flags in (
            (uris, "--features", "tags"),
            (some, "--features", "caption", "--max_calls", "4"),
            (uris, "--features", "tags", "--redrive", "everything"),
        ):
            main([*run, "--input", str(uris_of), *flags])
            manifests.append(newest(output, manifests))
        uris.write_text("\n".join(lines[:-1]))
        main([*run, "--input", str(uris), "--features", "tags"])
        manifests.append(newest(output, manifests))
    shutil.copytree(output / "tags" / f"run={manifests[0]['run_id']}", output / "tags" / "run=20990101T000000Z-0000")
    return History(output, pictures, manifests)


def newest(output: Path, before: list[dict[str, Any]]) -> dict[str, Any]:
    known = {manifest["run_id"] for manifest in before}
    (path,) = (path for path in output.glob("runs/*.json") if path.stem not in known)
    manifest: dict[str, Any] = json.loads(path.read_text())
    return manifest


@pytest.fixture(scope="package")
def views(history: History) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with all views of it."""
    with opened(Folder(str(history.output))) as connection:
        yield connection
