"""`doctor` where lists, images and output are on a store of a cloud."""

from __future__ import annotations

import json

import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.troubleshooting import entries
from image_analysis_beam.transforms.files.many import list_folder
from image_analysis_beam.transforms.files.storage import write_whole


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    """`gs://photos`, `s3://photos` or `azfs://ACCOUNT/photos`."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else f"gs://{found.name}"


@pytest.mark.parametrize("root", ["gcs", "s3", "azure"], indirect=True)
def test_places_on_a_store(root, emulator, pictures, tmp_path, capsys):
    folder = f"{root}/{tmp_path.name}"
    write_whole(f"{folder}/in/a.png", pictures(1)[0].read_bytes())
    write_whole(f"{folder}/uris.txt", f"{folder}/in/a.png\n".encode())
    write_whole(f"{folder}/lost.txt", f"{folder}/in/lost.png\n".encode())
    before = sorted(file.path for file in list_folder(folder))

    def doctor(**flags: str) -> tuple[int, dict[str, dict]]:
        right = {"input": f"{folder}/uris.txt", "images": f"{folder}/in", "output": f"{folder}/out", "features": "tags"}
        code = main(["doctor", "--json", *(f"--{name}={value}" for name, value in (right | flags).items())])
        return code, {check["check"]: check for check in json.loads(capsys.readouterr().out)["checks"]}

    code, checks = doctor()
    assert (code, [check for check in checks.values() if not check["is_good"]]) == (0, [])
    assert checks["output"]["said"] == f"{folder}/out: can be written"
    assert checks["images"]["said"].startswith(f"{folder}/in: 1 file,")
    assert sorted(file.path for file in list_folder(folder)) == before

    for flag, value, said in (
        ("input", f"{folder}/lost.txt", f"its image '{folder}/in/lost.png' cannot be read"),
        ("images", f"{folder}/none/*.png", "matches no file"),
        ("output", f"{root}-of-nobody/out", "cannot be used"),
    ):
        code, checks = doctor(**{flag: value})
        assert code == 2
        (red,) = [check for check in checks.values() if not check["is_good"]]
        assert red["check"] == flag
        assert said in red["said"]
        assert red["entry"] in entries()
    assert emulator.stats()["calls"] == 0
