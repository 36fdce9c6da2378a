"""`--redrive changed`: images that are not the same any more are called again, by a look that costs no call."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud.storage import Bucket

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.transforms.files.many import remove_many
from image_analysis_beam.transforms.files.storage import write_whole


@pytest.fixture
def looked(emulator: Any, run: Callable[..., Any]) -> Callable[..., tuple[Any, dict[str, int]]]:
    """`looked("--input", …)`: a run with `--redrive changed`, and why it called; `plan` had said the same."""

    def look(*flags: Any) -> tuple[Any, dict[str, int]]:
        flags = (*flags, "--redrive", "changed")
        planned = json.loads(run(*flags, "--json", command="plan").out)
        before = emulator.stats()["calls"]
        finished = run(*flags)
        assert finished.code == 0
        assert (finished.manifest["why"], finished.manifest["skipped"]) == (planned["why"], planned["skipped"])
        assert emulator.stats()["calls"] - before == planned["to_call"] == sum(planned["why"].values())
        return finished, planned["why"]

    return look


def test_a_changed_file_is_called_again_and_a_touched_one_is_not(run, looked, pictures, make_picture, listed, tmp_path):
    changed, touched, grown, gone, _ = files = pictures(5)
    uris = listed(files)
    run("--input", uris)
    assert main(["reflatten", "--stored", str(tmp_path / "out"), "--output", str(tmp_path / "again")]) == 0
    make_picture(changed, 99)
    for path in (changed, touched):
        os.utime(path, ns=(1, 1))
    before = grown.stat()
    make_picture(grown, 98, 400)
    os.utime(grown, ns=(before.st_atime_ns, before.st_mtime_ns))
    gone.unlink()

    finished, why = looked("--input", uris, "--output", tmp_path / "again")

    assert (why, finished.manifest["skipped"]) == ({"changed": 2}, {"answered": 2, "unseen": 1})
    assert "3 skipped (2 answered before, 1 answered but cannot be looked at)" in finished.out
    assert "changed: 2 images not the same any more as when answered" in finished.out
    twice = finished.rows("images", "image_uri, count(DISTINCT content_etag)", "true GROUP BY 1 HAVING count(*) = 2")
    assert sorted(twice) == [(str(changed), 2), (str(grown), 2)]


@pytest.mark.parametrize("store", ["gcs_with_preconditions", "s3", "azure"])
def test_an_object_that_was_written_again_is_called_again(store, request, run, looked, pictures, listed, tmp_path):
    found = request.getfixturevalue(store)
    folder = f"{f'gs://{found.name}' if isinstance(found, Bucket) else found}/{tmp_path.name}"
    first, *others, last = pictures(4)
    uris = [f"{folder}/{file.name}" for file in (first, *others)]
    for uri, file in zip(uris, (first, *others), strict=True):
        write_whole(uri, file.read_bytes())
    run("--input", listed(uris))
    write_whole(uris[0], last.read_bytes())
    remove_many([uris[1]])
    finished, why = looked(*("--input", listed(uris)) if store == "s3" else ("--images", f"{folder}/*.png"))
    assert why == {"changed": 1}
    assert finished.manifest["skipped"] == {"answered": 1, **({"unseen": 1} if store == "s3" else {})}
    assert finished.rows("images", "count(DISTINCT content_etag)") == [(4,)]
