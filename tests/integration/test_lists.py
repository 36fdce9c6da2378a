"""Lists as they come: every line in one place, whatever it holds; what is no list at all costs nothing."""

import gzip
import io
import json
import os
import random
import re
import socket
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stand_ins.forked import run_forked

CANARY = b"CANARYSIGNATURE"


def noise(number):
    """A line of random bytes; every other one was a signed URL."""
    chance = random.Random(number)
    if number % 2:
        return b"https://u:%s@h/%d\xff.jpg?sv=1&sig=%s" % (CANARY, number, CANARY)
    return b"\xff" + chance.randbytes(chance.randrange(2, 300)).replace(b"\n", b"")


@pytest.mark.parametrize("number", [600, pytest.param(20_000, marks=pytest.mark.long)])
def test_a_good_list_with_lines_of_random_bytes(emulator, run, pictures, tmp_path, number):
    (picture,) = pictures(1)
    noisy = set(range(7, number + 1, 20))
    lines = [
        noise(line) if line in noisy else os.fsencode(tmp_path) + b"/%d.png" % line for line in range(1, number + 1)
    ]
    for line in set(range(1, number + 1)) - noisy:
        os.link(picture, tmp_path / f"{line}.png")
    (tmp_path / "uris.txt").write_bytes(b"\n".join(lines))

    finished = run("--input", tmp_path / "uris.txt", "--requests_per_second", "5000")

    assert finished.code == 0, finished.err
    accounts = {name: count for name, count in finished.manifest["conservation"].items() if count}
    assert accounts == {"input": number, "analyzed": number - len(noisy), "dead_letters": len(noisy)}
    assert finished.manifest["copies"] == number - len(noisy) - 1
    assert emulator.stats()["calls"] == 1
    dead = finished.rows("dead_letters", "class, message, image_uri")
    assert {fault for fault, _, _ in dead} == {"invalid_uri"}
    assert {int(re.search(r"uris\.txt, line (\d+): it is not UTF-8", message)[1]) for _, message, _ in dead} == noisy
    assert all(0 < len(shown) <= 200 and shown.isprintable() for _, _, shown in dead)
    for path in finished.output.rglob("*"):
        assert path.is_dir() or CANARY not in path.read_bytes()
    assert CANARY.decode() not in repr(finished.rows("dead_letters")) + finished.out + finished.err

    planned = json.loads(run("--input", tmp_path / "uris.txt", "--json", command="plan").out)
    assert planned["skipped"] == {"answered": number - len(noisy), "known_bad": len(noisy)}


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.parquet", "a.csv.gz"])
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_list_of_noise_costs_nothing(emulator, run, tmp_path, name, command):
    (tmp_path / name).write_bytes(random.Random(0).randbytes(100_000))
    refused = run("--input", tmp_path / name, command=command)
    assert refused.code == 2
    assert refused.err.startswith(f"image-analysis-beam: input '{tmp_path / name}': ")
    assert len(refused.err.splitlines()) == 1
    assert not refused.output.exists()
    assert emulator.stats()["calls"] == 0


def test_references_without_a_uri_are_each_counted(emulator, run, pictures, tmp_path):
    (picture,) = pictures(1)
    rows = ["{", "null", "[]", '{"uri": null}', '{"uri": 5}', '{"uri": {}}', '{"url": ""}', '{"uri": "a\\u0000b"}'] * 3
    (tmp_path / "a.jsonl").write_text("\n".join([*rows, json.dumps({"uri": str(picture)})]))
    finished = run("--input", tmp_path / "a.jsonl")
    assert finished.code == 0
    accounts = {name: count for name, count in finished.manifest["conservation"].items() if count}
    assert accounts == {"input": 25, "analyzed": 1, "dead_letters": 24}
    places = {message.partition(": ")[0] for (message,) in finished.rows("dead_letters", "message")}
    assert places == {f"{tmp_path}/a.jsonl, line {number}" for number in range(1, 25)}


def test_a_file_of_a_pattern_whose_name_is_not_utf_8(emulator, run, pictures, tmp_path):
    folder = pictures(2)[0].parent
    os.link(folder / "64-00000.png", os.fsencode(folder) + b"/caf\xe9.png")
    finished = run("--images", folder / "*.png")
    assert finished.code == 0
    assert finished.rows("images", "count(*)") == [(2,)]
    shown = (f"{folder}/caf\\xe9.png", f"{folder}/*.png: it is not UTF-8")
    assert finished.rows("dead_letters", "image_uri, message") == [shown]


def test_compressed_lists_and_a_folder(emulator, run, pictures, tmp_path):
    paths = pictures(3)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(f"{paths[0]}\n{paths[1]}\n".encode()))
    finished = run("--input", tmp_path / "a.txt.gz", "--images", paths[0].parent)
    assert finished.manifest["conservation"]["input"] == 5
    assert finished.manifest["conservation"]["analyzed"] == 3


def test_standard_input(emulator, run, pictures, monkeypatch, tmp_path):
    data = "\n".join([*map(str, pictures(3)), "\0"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
    assert run("--input", "-", command="plan").out.startswith("4 images in the input")

    temporary, output = tmp_path / "temporary", tmp_path / "out"
    temporary.mkdir()
    command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", "--input", "-", "--output", str(output)]
    environment = os.environ | {"TMPDIR": str(temporary)}
    ended = run_forked([*command, "--features", "tags", "--quiet"], data=data, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert "4 images: 3 analyzed, 1 dead letter," in ended.stdout
    letters = pq.read_table(output / "dead_letters", columns=["message", "image_uri"]).to_pylist()
    assert letters == [{"message": "-, line 4: the URI holds a control character", "image_uri": "\\x00"}]
    assert not list(temporary.glob("*.txt")), "the copy is gone"


def test_standard_input_is_not_for_other_machines(run):
    refused = run(
        "--input",
        "-",
        "--runner",
        "DataflowRunner",
        "--key_secret",
        "projects/p/secrets/s/versions/1",
        "--endpoint",
        "https://vision.example",
    )
    assert refused.code == 2
    assert "input '-' on DataflowRunner: its workers cannot read the standard input of this process" in refused.err


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_list_that_turns_out_to_be_damaged_costs_nothing(emulator, run, tmp_path, command):
    path = tmp_path / "a.parquet"
    column = [f"/{number * 7919}.jpg" for number in range(30_000)]
    pq.write_table(pa.table({"uri": column}), path, compression="zstd", write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    refused = run("--input", path, "--quiet", command=command)
    assert refused.code == 2
    (line,) = (line for line in refused.err.splitlines() if line.startswith("image-analysis-beam: "))
    assert f"input '{path}': it cannot be read beyond position 0 (OSError: " in line
    assert "Traceback" not in refused.err
    assert emulator.stats()["calls"] == 0


def test_images_of_a_store_without_credentials(emulator, run, pictures, listed, monkeypatch, tmp_path):
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    stored = [f"gs://bucket/{number}.jpg" for number in range(20)]
    uris = listed([*stored, "gs://", "gs://bucket", *pictures(3)])
    command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", "--quiet", "--features", "tags"]
    ended = run_forked([*command, "--input", str(uris), "--output", str(tmp_path / "out")])
    assert (ended.returncode, len(ended.stderr.splitlines())) == (0, 1), ended.stderr
    letters = pq.read_table(tmp_path / "out" / "dead_letters", columns=["class", "message"]).to_pylist()
    told = Counter((letter["class"], "gcloud auth" in letter["message"]) for letter in letters)
    assert told == {("unreadable_image", True): 20, ("invalid_uri", False): 2}
    assert emulator.stats()["calls"] == 3


def test_images_that_are_no_files(emulator, run, pictures, listed, tmp_path):
    """A pipe that nobody writes to would never open, and the device of zeros is no image of a few megabytes."""
    os.mkfifo(tmp_path / "pipe.png")
    os.symlink("loop.png", tmp_path / "loop.png")
    os.symlink("/dev/zero", tmp_path / "zero.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.png"))
    named = [tmp_path / f"{name}.png" for name in ("pipe", "loop", "zero", "socket", "n" * 300)]
    finished = run("--input", listed([*named, tmp_path, "/dev/zero", *pictures(2)]))
    assert finished.code == 0, finished.err
    assert finished.rows("dead_letters", "class, count(*)", "true GROUP BY ALL") == [("unreadable_image", 7)]
    assert finished.rows("images", "count(*)") == [(2,)]
