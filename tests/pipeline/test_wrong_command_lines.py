"""Half a hundred wrong command lines: each is refused with one sentence that names the value, the rule and the fix.

`pytest -s` prints them in a row, to be read.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.troubleshooting import OTHER, entries
from image_analysis_beam.transforms.lists.references import escaped

RUN_ID = "20260101T000000Z-0000"
WRONG = [
    # the output
    ("run {list} --output {file} {tags}", ["output", "it is a file", "name a folder"]),
    ("run {list} --output {file}/below {tags}", ["output", "cannot be used", "Not a directory", "check them"]),
    ("run {list} --output / {tags}", ["output '/'", "the root", "name a folder below it"]),
    ("run {list} --output gs:// {tags}", ["output 'gs://'", "names no bucket", "gs://BUCKET/tables"]),
    (
        "run {list} --output gs://bucket/out {tags}",
        ["no Google Cloud credentials", "gcloud auth", "GOOGLE_APPLICATION_CREDENTIALS"],
    ),
    ("run {list} --output= {tags}", ["no output", "set --output"]),
    ("run {list} {tags}", ["no output", "set --output"]),
    ("run {list} --output /proc/nothing {tags}", ["output '/proc/nothing'", "cannot be used"]),
    ("run {list} --output file:///tmp/out {tags}", ["'file:///tmp/out'", "local path", "use /tmp/out"]),
    ("run {list} --output ftp://host/out {tags}", ["'ftp://host/out'", "s3://", "correct it"]),
    (
        "run {list} --output s3://bucket/out {tags}",
        ["s3://", "not installed", "pip install 'image-analysis-beam[aws]'"],
    ),
    ("run {list} --output azfs://a/b/out {tags}", ["azfs://", "pip install 'image-analysis-beam[azure]'"]),
    ("run {list} --output caf\udce9 {tags}", ["caf\\xe9", "not UTF-8", "rename"]),
    # the input
    ("run --output {out} {tags}", ["no input", "set --input or --images"]),
    ("run --input {tmp}/none.txt --output {out} {tags}", ["none.txt", "matches no file", "check the path"]),
    ("run --input s3://bucket/list.txt --output {out} {tags}", ["'s3://bucket/list.txt'", "pip install"]),
    ("run --input . --output {out} {tags}", ["input '.'", "it is a folder", "--images"]),
    ("run --input {damaged} --output {out} {tags}", ["list.parquet", "cannot be read", "whole"]),
    ("run --images {tmp}/*.png --output {out} {tags}", ["*.png", "matches no file"]),
    ("run {list} --uri_column url --output {out} {tags}", ["uri_column 'url'", "no list of the input", "leave it out"]),
    # the runner
    ("run {list} --output {out} {tags} --runner Foo", ["runner 'Foo'", "FlinkRunner", "leave it out"]),
    ("run {list} --output {out} {tags} --runner FlinkRuner", ["runner 'FlinkRuner'", "did you mean FlinkRunner?"]),
    ("run {list} --output {out} {tags} --runner DaskRunner", ["DaskRunner", "loses rows", "DirectRunner"]),
    (
        "run {list} --output {out} {tags} --runner PortableRunner --job_endpoint localhost:{port}",
        ["job_endpoint 'localhost:", "no job server answers", "start it"],
    ),
    (
        "run {list} --output {out} {tags} --runner PortableRunner --job_endpoint nonsense",
        ["job_endpoint 'nonsense'", "HOST:PORT", "as localhost:8099"],
    ),
    ("run {list} --output {out} {tags} --runner PortableRunner", ["PortableRunner", "a job server", "--job_endpoint"]),
    ("run {list} --output {out} {tags} --runner dask", ["DaskRunner", "loses rows", "DirectRunner"]),
    ("run {list} --output {out} {tags} --runner bundlebaseddirect", ["BundleBasedDirectRunner", "fails", "use Direct"]),
    ("run {list} --output {out} {tags} --runner InteractiveRunner", ["InteractiveRunner", "notebooks", "DirectRunner"]),
    ("run {list} --output {out} {tags} --runner nobody.Runner", ["'nobody'", "install what it lacks"]),
    (
        "run {list} --output {out} {tags} --runner DataflowRunner --key_secret projects/p/secrets/s/versions/1",
        ["runner DataflowRunner", "option: region", "set or install what it lacks, or leave --runner out"],
    ),
    ("run {list} --output {out} {tags} --runner DataflowRunner", ["no key for the workers", "--key_secret"]),
    # numbers
    ("run {list} --output {out} {tags} --worker_processes -2", ["worker_processes -2", "at least 1"]),
    ("run {list} --output {out} {tags} --worker_processes 0", ["worker_processes 0", "at least 1"]),
    ("run {list} --output {out} {tags} --direct_num_workers -1", ["direct_num_workers -1", "at least 0"]),
    ("run {list} --output {out} {tags} --requests_per_second nan", ["requests_per_second nan", "number above 0"]),
    (
        "plan {list} --output {out} {tags} --requests_per_second=1e23",
        ["requests_per_second 1e+23", "at most 1000000", "leave it out"],
    ),
    ("run {list} --output {out} {tags} --max_in_flight 1000000000", ["max_in_flight 1000000000", "at most 10000"]),
    ("run {list} --output {out} {tags} --read_timeout 1e300", ["read time-out 1e+300", "at most 1000000", "30.0"]),
    ("run {list} --output {out} {tags} --direct_num_workers 99999", ["direct_num_workers 99999", "at most 1000"]),
    ("run {list} --output {out} {tags} --call_deadline nan", ["call_deadline nan", "number above 0"]),
    ("run {list} --output {out} {tags} --max_wait inf", ["max_wait inf", "number above 0"]),
    ("run {list} --output {out} {tags} --connect_timeout nan", ["connect", "nan", "number"]),
    ("run {list} --output {out} {tags} --batch_size -1", ["batch_size -1", "at least 1"]),
    ("run {list} --output {out} {tags} --max_calls 1.5", ["--max_calls", "1.5"]),
    ("run {list} --output {out} {tags} --max_cost -1", ["max_cost -1", "number from 0", "leave it out"]),
    ("plan {list} --output {out} {tags} --max_cost nan", ["max_cost nan", "number from 0"]),
    ("run {list} --output {out} {tags} --max_cost 5USD", ["--max_cost", "5USD"]),
    ("run {list} --output {out} {tags} --max_time 8hours", ["max_time '8hours'", "s, m, h or d", "for example 8h"]),
    ("plan {list} --output {out} {tags} --max_time 0h", ["max_time 0.0", "number above 0"]),
    ("run {list} --output {out} {tags} --max_dead_letters 5.5", ["max_dead_letters '5.5'", "whole number", "5%"]),
    ("plan {list} --output {out} {tags} --max_dead_letters 100%", ["max_dead_letters '100%'", "below 100%"]),
    ("run {list} --output {out} {tags} --max_dead_letters -3", ["max_dead_letters -3", "at least 0"]),
    ("run {list} --output {out} {tags} --max_redrives -1", ["max_redrives -1", "at least 0"]),
    (
        "plan {list} --output {out} {tags} --max_calls 9999999999999999999",
        ["max_calls 9999999999999999999", "at most 1000000000000", "leave it out"],
    ),
    ("run {list} --output {out} {tags} --batch_size 999999", ["batch_size 999999", "at most 100000", "is 32"]),
    ("run {list} --output {out} {tags} --max_redrives 9999999999999", ["max_redrives", "at most", "is 3"]),
    ("run {list} --output {out} {tags} --max_bytes_in_flight 1", ["max_bytes_in_flight 1", "at least"]),
    # the endpoint
    ("run {list} --output {out} {tags} --endpoint localhost:5000", ["endpoint 'localhost:5000'", "scheme", "https://"]),
    (
        "run {list} --output {out} {tags} --endpoint https://h:99999",
        ["'https://h:99999'", "1 to 65535", "correct"],
    ),
    # prices
    ("run {list} --output {out} {tags} --prices {tmp}/none.json", ["prices", "No such file", "check the path"]),
    ("plan {list} --output {out} {tags} --prices {nan_prices}", ["prices", "tags nan", "number from 0"]),
    # the other commands
    ("show {tmp}/none", ["output", "no committed run", "run the job first"]),
    ("show", ["output", "correct the flag"]),
    ("show {file}", ["output", "it is a file"]),
    ("show {truncated}", ["manifest", "no whole JSON", "restore it"]),
    ("show {strange}", ["manifest", "no 'tables'", "restore it"]),
    ("report {truncated}", ["manifest", "no whole JSON", "restore it"]),
    ("report {truncated} --run 20200101T000000Z-0000", ["run '20200101T000000Z-0000'", "no such committed run", "try"]),
    ("report {truncated} --runs 1", ["--runs", "correct the flag"]),
    ("reflatten --stored {tmp}/none --output {out}", ["stored answers", "no committed run", "check the folder"]),
    ("reflatten --stored {truncated} --output {file}", ["output", "it is a file"]),
    ("reflatten --stored {truncated}", ["reflatten", "set --stored and --output"]),
    ("reflatten --stored {truncated} --output {out} {tags}", ["--features: `reflatten` does not read it", "leave it"]),
    ("plna {list}", ["command 'plna'", "did you mean plan?"]),
    ("fly", ["command 'fly'", "known are run, plan", "see --help"]),
    ("repotr {tmp}", ["command 'repotr'", "did you mean report?"]),
]


@pytest.fixture
def places(tmp_path: Path, listed) -> dict[str, object]:
    """What the command lines name."""
    file = tmp_path / "file"
    file.write_text("no folder")
    for name, text in (("truncated", '{"run_id": "2026'), ("strange", '{"run_id": "x", "surprise": 1}')):
        (tmp_path / name / "runs").mkdir(parents=True)
        (tmp_path / name / "runs" / f"{RUN_ID}.json").write_text(text)
    (tmp_path / "list.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "prices.json").write_text(json.dumps({"tags": float("nan")}))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return {
        "tmp": tmp_path,
        "out": tmp_path / "out",
        "file": file,
        "list": f"--input {listed(['a.png'])}",
        "tags": "--features tags",
        "port": port,
        "damaged": tmp_path / "list.parquet",
        "nan_prices": tmp_path / "prices.json",
        "truncated": tmp_path / "truncated",
        "strange": tmp_path / "strange",
    }


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_one_sentence_says_what_is_wrong_and_what_to_do(emulator, places, capsys, monkeypatch, line, words):
    monkeypatch.setattr("image_analysis_beam.transforms.files.gcs_access.SECONDS", 1.0)
    for module in ("boto3", "azure.storage.blob"):  # as where the extras are not installed
        monkeypatch.setitem(sys.modules, module, None)
    code = main(line.format(**places).split())
    said = capsys.readouterr().err.strip()
    with capsys.disabled():
        print(f"\n$ image-analysis-beam {escaped(line)}\n{said.replace(str(places['tmp']), '…')}")
    assert code == 2
    assert not Path(places["out"]).exists()
    assert emulator.stats()["calls"] == 0
    assert len(said.splitlines()) == 1
    assert said.startswith("image-analysis-beam: ")
    assert re.search(r" \(docs/troubleshooting\.md#([\w-]+)\)$", said)[1] in set(entries()) - {OTHER}
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("PrismRunner --prism_location {tmp}/none", "Unable to parse binary URL"),
        ("FlinkRunner --flink_job_server_jar http://127.0.0.1:{port}/a.jar", "Unable to fetch remote job server jar"),
    ],
)
def test_a_runner_that_can_neither_be_found_nor_fetched(emulator, places, capsys, flags, words):
    line = "run {list} --output {out} {tags} --runner " + flags
    assert main(line.format(**places).split()) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"Runner: it cannot be used ({words}" in said
    assert "name a copy by --prism_location, --flink_job_server_jar" in said
    assert said.endswith("#the-runner)")
    assert emulator.stats()["calls"] == 0
