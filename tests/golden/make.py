"""Makes the golden folder of the version that is checked out: `python -m tests.golden.make v0.1.0`.

v0.1.0 was made at commit c369914; the versions of Beam, PyArrow and Python are in its manifests. What is committed is
never made again nor edited: this tells how it came to be, and makes the folder of a later version.

Every run is a process of its own, against an emulator on a fixed port that really reads text (extra `emulator-ocr`).
The lists name pictures of a host that does not exist, and files below /data/golden, which is made for it and removed:
an image's id is a hash of its URI, so it is the same on every machine. Changed after the runs, by this script: the
host's name in the marks of the killed runs became `golden`; `report.html`, which every run writes anew, was removed; in
the archive, all files are of the same long past moment and of nobody.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from image_analysis_beam.emulator import Emulator

from .conftest import HERE, HOST, picture, web_of_pictures

PORT = 8711
ROOT = Path("/data/golden")
FILES, LISTS, OUT = ROOT / "pictures", ROOT / "lists", ROOT / "out"
LONG_AGO = 1_700_000_000  # seconds since 1970: whoever wrote the folder is dead, however that is told
ALL = "caption,denseCaptions,tags,objects,people,smartCrops,read"
MODELS = {"products": "classifier", "shelves": "detector"}
FAULTS = [
    {"match": {"url": "poison"}, "fault": "internal"},
    {"match": {"url": "malformed"}, "fault": "wrong_types"},
    {"match": {"url": "unanswered"}, "fault": {"kind": "slow", "seconds": 600}},
]


def urls(name: str, number: int) -> list[str]:
    return [f"http://{HOST}/{name}-{index}.png" for index in range(1, number + 1)]


URIS = {
    "features": [
        *urls("good", 5),
        f"HTTP://{HOST.upper()}:80/good-1.png",
        f"http://{HOST}/good-2.png?sv=2024&sig=0123456789abcdef",
        f"http://{HOST}/good-2.png#top",
        *(f"{FILES}/{name}.png" for name in ("file-1", "file-2", "missing", "broken")),
        f"file://{FILES}/file-2.png",
        *(f"http://{HOST}/{name}.png" for name in ("gone", "poison", "malformed")),
        f"ftp://{HOST}/scheme.png",
    ],
    "custom": urls("product", 3),
    "deferred": urls("later", 6),
    "published": urls("published", 4),
    "killed": [*urls("journalled", 5), *urls("unanswered", 3)],
}


def main(version: str) -> None:
    """Makes `tests/golden/<version>`."""
    target = HERE / version
    if target.exists() or ROOT.exists():
        raise SystemExit(f"{target} or {ROOT} exists already")
    try:
        write_inputs()
        with web_of_pictures(), Emulator(PORT, ocr=True, models=MODELS) as emulator:
            os.environ.update(VISION_ENDPOINT=emulator.url, VISION_KEY=emulator.key)
            make_runs(emulator)
        make_neutral()
        shutil.copytree(LISTS, target / "lists")
        with tarfile.open(target / "out.tar.xz", "w:xz") as archive:
            archive.add(OUT, "out", filter=of_nobody)
    finally:
        shutil.rmtree(ROOT)


def write_inputs() -> None:
    for folder in (FILES, LISTS):
        folder.mkdir(parents=True)
    for name in ("file-1", "file-2"):
        (FILES / f"{name}.png").write_bytes(picture(name))
    (FILES / "broken.png").write_text("no picture")
    for name, uris in URIS.items():
        (LISTS / f"{name}.txt").write_text("".join(f"{uri}\n" for uri in uris))


def make_runs(emulator: Emulator) -> None:
    """All runs, as README.md numbers them."""
    emulator.set_faults({"rules": FAULTS})
    request = ("--features", ALL, "--smartcrops_aspect_ratios", "0.9,1.5", "--gender_neutral_caption")
    run("features", *request, "--with_duplicates", "--max_attempts", "1")
    run("features", *request, "--redrive", "none")
    run("deferred", "--features", "tags", "--language", "es", "--max_calls", "3", code=3)
    run("custom", "--model_name", "products")
    run("custom", "--model_name", "shelves")
    run("custom", "--features", "caption,read", "--api_version", "2023-02-01-preview")
    run("deferred", "--features", "tags,caption", "--max_calls", "2", code=3)
    emulator.set_faults({"rules": [{"match": {}, "fault": "unauthorized"}]})
    run("deferred", "--features", "tags,caption", code=3)
    emulator.set_faults({"rules": FAULTS})
    kill("published", lambda: len(list(OUT.glob("images/*"))) > len(list(OUT.glob("runs/*.json"))))
    kill("killed", lambda: journalled() == 4 + 5)


def command(name: str, *flags: str) -> list[str]:
    program = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", "--quiet", "--requests_per_second", "50"]
    return [*program, "--input", f"{LISTS}/{name}.txt", "--output", str(OUT), *flags]


def run(name: str, *flags: str, code: int = 0) -> None:
    ended = subprocess.run(command(name, *flags), check=False)
    if ended.returncode != code:
        raise SystemExit(f"{name} {flags}: exit code {ended.returncode}, not {code}")


def kill(name: str, condition: Callable[[], bool]) -> None:
    """A run that gets SIGKILL as soon as the condition holds."""
    committed = list(OUT.glob("runs/*.json"))
    process = subprocess.Popen(command(name, "--features", "tags,caption"))
    while process.poll() is None and not condition():
        time.sleep(0.0005)
    process.kill()
    process.wait()
    if len(list(OUT.glob("runs/*.json"))) > len(committed):
        raise SystemExit(f"{name}: the run was faster than the kill; start over")


def journalled() -> int:
    return sum(pq.read_metadata(path).num_rows for path in OUT.glob("journal/*/*.parquet"))


def make_neutral() -> None:
    """Takes the host's name out of the marks; refuses a folder in which a name or path of this machine is left."""
    for mark in OUT.glob("runs/*.started"):
        mark.write_text(json.dumps({**json.loads(mark.read_text()), "host": "golden"}))
    (OUT / "report.html").unlink()
    words = (socket.gethostname(), os.getcwd(), str(Path.home()), sys.prefix, "/tmp")
    own = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, words))})(?![\w.-])")
    for path in filter(Path.is_file, OUT.rglob("*")):
        if found := own.search(content(path)):
            raise SystemExit(f"{path} holds {found[0]}")


def content(path: Path) -> str:
    """All that can be read in a file; a Parquet file's rows and metadata, not its compressed bytes."""
    if path.suffix != ".parquet":
        return path.read_text(errors="replace")
    file = pq.ParquetFile(path)
    return f"{file.read().to_pylist()} {file.schema_arrow.metadata} {file.metadata}"


def of_nobody(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = LONG_AGO
    return info


if __name__ == "__main__":
    main(sys.argv[1])
