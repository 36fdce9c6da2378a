"""What cannot work is refused before anything runs: exit 2, one line that names value, rule and fix."""

import pytest

from image_analysis_beam.pipeline.__main__ import COMMANDS, main
from image_analysis_beam.pipeline.flags import parse
from image_analysis_beam.pipeline.job import configure, shard_digits
from image_analysis_beam.pipeline.workers import processes_per_vm, processes_that_share, workers_to_carry


@pytest.mark.parametrize(
    ("flags", "features", "words"),
    [
        (["--model_name", "products"], "tags", ["either features or a custom model", "products"]),
        ([], "tags,colour", ["feature 'colour'", "denseCaptions"]),
        (["--smartcrops_aspect_ratios", "2.0"], "smartCrops", ["'2.0'", "0.75 to 1.8"]),
        (["--language", "klingon"], "tags", ["language 'klingon'"]),
        ([], None, ["neither features nor model_name"]),
        (["--input", "nothing-*.txt"], "tags", ["'nothing-*.txt'", "matches no file"]),
        (["--input", "README.md"], "tags", ["README.md", ".jsonl", "--images"]),
        (["--uri_colum", "x"], "tags", ["--uri_colum", "did you mean --uri_column?"]),
        (["--max-in-flight", "8"], "tags", ["did you mean --max_in_flight?"]),
        (["--max_in_flight", "many"], "tags", ["--max_in_flight", "'many'"]),
        (["--max_in_flight", "0"], "tags", ["max_in_flight 0", "at least 1"]),
        (["--call_deadline", "-1"], "tags", ["call_deadline -1", "above 0"]),
        (["--requests_per_second", "0"], "tags", ["requests_per_second 0", "leave it out"]),
        (["--request_timeout", "0"], "tags", ["total time-out 0"]),
        (["--batch_size", "0"], "tags", ["batch_size 0"]),
        (["--max_calls", "-1"], "tags", ["max_calls -1"]),
        (["--redrive", "some"], "tags", ["redrive 'some'", "none, retryable, failed, changed, everything"]),
        (["--runner", "DaskRunner"], "tags", ["DaskRunner", "loses rows"]),
        (["--endpoint", "vision.example"], "tags", ["'vision.example'", "no scheme", "begin it with https://"]),
        (["--endpoint", "http://vision.example"], "tags", ["plain http", "--allow_insecure_endpoint"]),
        (["--key_secret", "mykey"], "tags", ["'mykey'", "projects/PROJECT/secrets"]),
        (["--json"], "tags", ["--json: `run` does not read it", "`plan`", "leave it out"]),
        (["--stored=out"], "tags", ["--stored: `run` does not read it", "`reflatten` would"]),
        (["--auth", "entra", "--key_secret", "projects/p/secrets/s/versions/1"], "tags", ["key_secret", "no key"]),
        (["--token_issuer", "https://issuer.example"], "tags", ["token_issuer", "use --auth token"]),
        (["stray"], "tags", ["stray argument stray"]),
    ],
)
def test_refusals(emulator, run, listed, flags, features, words, request):
    path = listed(["a.jpg"])
    given = flags if "--input" in flags else ["--input", str(path), *flags]
    refused = run(*given, features=features)
    assert refused.code == 2
    assert len(refused.err.strip().splitlines()) == 1
    assert refused.err.startswith("image-analysis-beam: ")
    for word in words:
        assert word in refused.err
    assert not refused.output.exists()
    assert emulator.stats()["calls"] == 0


@pytest.mark.parametrize("flag", ["--key", "--vision_key", "--api-key", "--subscription_key", "--token", "--password"])
def test_a_secret_on_the_command_line_is_refused(run, flag):
    refused = run(f"{flag}=CANARY")
    assert refused.code == 2
    assert flag in refused.err
    assert "CANARY" not in refused.err


def test_no_endpoint_and_no_key(run, listed, monkeypatch):
    monkeypatch.delenv("VISION_ENDPOINT", raising=False)
    monkeypatch.delenv("VISION_KEY", raising=False)
    path = listed(["a.jpg"])
    assert "VISION_ENDPOINT" in run("--input", path).err
    refused = run("--input", path, "--endpoint", "https://vision.example")
    assert refused.code == 2
    assert "VISION_KEY" in refused.err
    assert "--key_secret" in refused.err


def test_a_missing_column_is_named(emulator, run, tmp_path):
    (tmp_path / "list.csv").write_text("path,size\na.jpg,1\n")
    refused = run("--input", tmp_path / "list.csv")
    assert refused.code == 2
    assert "'uri'" in refused.err
    assert "path, size" in refused.err


def test_the_files_tell_whether_there_is_a_column_not_the_pattern(tmp_path):
    (tmp_path / "uris.csv").write_text("url\nhttps://example.com/a.png\n")
    for pattern in ("*", "uris.c*"):
        line = f"--input {tmp_path}/{pattern} --uri_column url --output {tmp_path}/out --features tags"
        configure(parse(line.split(), "plan"), calling=False)


def test_help_and_unknown_commands(capsys):
    assert main(["--help"]) == 0
    assert "commands:" in capsys.readouterr().out
    assert main(["fly"]) == 2
    assert main([]) == 2
    assert main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    for group in ("What to analyze", "How calls are made", "--requests_per_second"):
        assert group in shown


@pytest.mark.parametrize(
    ("command", "lists", "lists_not"),
    [
        ("run", ["--features", "--prices", "--quiet"], ["--json", "--stored"]),
        ("plan", ["--features", "--prices", "--json"], ["--stored"]),
        ("reflatten", ["--stored", "--output"], ["--features", "--json", "--max_in_flight", "How calls are made"]),
        ("report", ["--run", "--prices"], ["--features"]),
        ("sql", ["--write", "--prices"], ["--features"]),
    ],
)
def test_each_help_lists_its_own_flags(capsys, command, lists, lists_not):
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [flag for flag in lists if flag not in shown] == []
    assert [flag for flag in lists_not if flag in shown] == []


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_each_help_fits_sixty_columns(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "60")
    assert main([*filter(None, [command]), "--help"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) > 5
    assert [line for line in shown if len(line) > 60] == []


def test_beam_flags_go_through():
    options = parse(
        ["--output", "o", "--runner", "DataflowRunner", "--project", "my-project", "--max_num_workers", "3"]
    )
    assert options.get_all_options()["max_num_workers"] == 3


@pytest.mark.parametrize(
    ("runner", "flags", "processes"),
    [
        ("FnApiRunner", [], 1),
        ("FnApiRunner", ["--direct_running_mode=multi_threading", "--direct_num_workers=4"], 1),
        ("FnApiRunner", ["--direct_running_mode=multi_processing", "--direct_num_workers=4"], 4),
        ("DataflowRunner", ["--max_num_workers=3", "--machine_type=n2-standard-4"], 12),
        ("DataflowRunner", ["--max_num_workers=3", "--experiments=no_use_multiple_sdk_containers"], 3),
        ("DataflowRunner", ["--machine_type=n2-standard-4"], 4),
        ("FlinkRunner", ["--parallelism=6"], 6),
        ("FlinkRunner", [], None),
        ("SparkRunner", ["--worker_processes=10"], 10),
    ],
)
def test_the_rate_is_shared_by_the_processes(runner, flags, processes):
    assert processes_that_share(30, 64, runner, parse(["--output", "o", *flags])) == processes


def test_a_rate_sets_the_worker_cap():
    options = parse(["--output", "o", "--machine_type=n2-standard-2"])
    assert processes_that_share(1000, 64, "DataflowRunner", options) == 8 * 2
    assert options.get_all_options()["max_num_workers"] == 8
    unlimited = parse(["--output", "o"])
    assert processes_that_share(None, 64, "DataflowRunner", unlimited) is None
    assert unlimited.get_all_options()["max_num_workers"] is None


def test_arithmetic_of_workers():
    assert workers_to_carry(20, 64, 2) == 1
    assert workers_to_carry(129, 64, 2) == 2
    assert processes_per_vm("e2-standard-16", []) == 16
    assert processes_per_vm("n1-highmem-8", []) == 8
    assert processes_per_vm(None, []) == 2


def test_planning_holds_no_more_than_50_000_images_at_once():
    assert 10_000_000 / 16 ** shard_digits("FnApiRunner") < 50_000
    assert 200_000_000 / 16 ** shard_digits("DataflowRunner") < 50_000
