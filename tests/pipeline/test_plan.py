"""`plan` says what `run` then does, and calls nothing."""

import json
import os
import shutil
from datetime import datetime, timedelta, timezone

import pytest
from PIL import Image

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline import mistakes as mistakes_of_plan
from image_analysis_beam.pipeline import plan as plan_command
from image_analysis_beam.pipeline import run as run_command
from image_analysis_beam.pipeline.__main__ import main


@pytest.fixture(scope="module")
def halfway(tmp_path_factory, make_picture):
    """Flags of 30 pictures: 8 answered, 2 retryable and 1 permanent dead letter, 5 deferred, 14 new; and a duplicate.

    They name the output too; no test writes into it.
    """
    folder = tmp_path_factory.mktemp("halfway")
    images, out = folder / "pictures", folder / "out"
    images.mkdir()

    def add(indices, width=64):
        for index in indices:
            make_picture(images / f"{width}-{index:05d}.png", index, width)

    rules = [{"match": {"width": 70}, "fault": "internal"}, {"match": {"width": 71}, "fault": "image_format"}]
    with Emulator(rules=rules) as emulator, pytest.MonkeyPatch.context() as environment:
        environment.setenv("VISION_ENDPOINT", emulator.url)
        environment.setenv("VISION_KEY", emulator.key)
        flags = ["--images", f"{images}/*.png", "--output", str(out)]
        run = ["run", *flags, "--features", "tags", "--requests_per_second", "2000", "--quiet"]
        add(range(8))
        add(range(2), width=70)
        add(range(1), width=71)
        assert main([*run, "--max_attempts", "1"]) == 0
        add(range(8, 13))
        assert main([*run, "--redrive", "none", "--max_calls", "0"]) == 3
    add(range(13, 27))
    return [*flags, "--images", str(images / "64-00000.png")]


def plan(run, *flags, features="tags,caption"):
    return json.loads(run(*flags, "--json", command="plan", features=features).out)


def test_the_plan_is_what_then_happens(emulator, run, halfway, tmp_path):
    out = halfway[halfway.index("--output") + 1]
    copy = str(shutil.copytree(out, tmp_path / "out"))
    halfway = [copy if flag == out else flag for flag in halfway]
    planned = plan(run, *halfway, "--requests_per_second", "10", features="tags")
    assert emulator.stats()["calls"] == 0
    assert planned["input"] == 31
    assert planned["to_call"] == 21
    assert planned["why"] == {"deferred_before": 5, "new": 14, "redriven": 2}
    assert planned["skipped"] == {"answered": 8, "known_bad": 1}
    assert planned["duplicates"] == 1
    assert planned["seconds"] == 2.1
    finished = run(*halfway)
    assert emulator.stats()["calls"] == planned["to_call"]
    assert finished.manifest["skipped"] == planned["skipped"]


def signed(seconds, number):
    ends_at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return [f"https://h/{seconds}-{n}.jpg?sv=1&sr=b&sp=r&se={ends_at:%Y-%m-%dT%H:%M:%SZ}&sig=s" for n in range(number)]


def test_signed_urls_that_have_expired_or_will_before_their_turn(emulator, run, listed):
    uris = [*signed(-5, 3), *signed(1000, 4), *signed(6000, 5), "https://h/a.jpg"]
    flags = ["--input", listed(uris)]
    planned = plan(run, *flags, "--requests_per_second", "0.005", features="tags")
    assert [planned[name] for name in ("to_call", "expired", "expiring", "seconds")] == [10, 3, 4, 2000]
    planned = plan(run, *flags, features="tags")
    assert [planned[name] for name in ("to_call", "expired", "expiring", "seconds")] == [10, 3, 4, None]
    told = run(*flags, command="plan").out
    assert "10 would be called\n" in told
    assert "3 would fail: their signed URLs have expired" in told
    assert "4 signed URLs expire within an hour" in told


def test_cost_is_calls_times_features_times_price(run, halfway, tmp_path):
    planned = plan(run, *halfway)
    assert planned["to_call"] == 29, "of one the image is known to be bad, whatever is asked"
    assert planned["transactions"] == 29 + 21, "tags of eight are held"
    indicative = {"currency": "USD", "source": "indicative prices"}
    assert planned["cost"] == {"amount": 0.0645, "worst_case": 0.129, "saved": 0.008, "recovered": 0, **indicative}
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"currency": "EUR", "tags": 10, "caption": 0}))
    mine = plan(run, *halfway, "--prices", prices, "--ambiguous_retries", "0")
    expected = {"amount": 0.21, "worst_case": 0.21, "saved": 0.08, "recovered": 0}
    assert mine["cost"] == {**expected, "currency": "EUR", "source": "your prices"}
    assert plan(run, *halfway, "--model_name", "products", features=None)["asked"] == {"custom_model": 29}


def test_the_budget_and_the_workers_are_in_the_plan(run, halfway):
    planned = plan(
        run,
        *(*halfway, "--max_calls", "7", "--requests_per_second", "10"),
        *("--direct_running_mode", "multi_processing", "--direct_num_workers", "4"),
        features="tags",
    )
    assert (planned["to_call"], planned["over_budget"]) == (7, 14)
    assert (planned["worker_processes"], planned["requests_per_second_per_process"]) == (4, 2.5)


def test_the_text_reads_well_and_needs_no_endpoint(run, halfway, monkeypatch):
    monkeypatch.delenv("VISION_ENDPOINT", raising=False)
    monkeypatch.delenv("VISION_KEY", raising=False)
    finished = run(*halfway, command="plan")
    assert finished.code == 0
    for words in (
        "31 images in the input",
        "21 would be called",
        "9 would be skipped",
        "8 answered",
        "indicative prices",
    ):
        assert words in finished.out


@pytest.mark.parametrize(
    ("text", "words"), [("{", "cannot be read"), ('{"colour": 1}', "known are"), ('{"tags": -1}', "tags -1")]
)
def test_bad_prices_are_refused(run, tmp_path, text, words):
    (tmp_path / "prices.json").write_text(text)
    refused = run("--images", tmp_path, "--prices", tmp_path / "prices.json", command="plan")
    assert refused.code == 2
    assert words in refused.err


@pytest.fixture
def mistaken(pictures, tmp_path):
    """A list in which every kind of mistake stands, some often; by kind, what is named first."""
    good = pictures(4)
    small, files = pictures(1, width=20)[0], {}
    for name, content in {"empty": b"", "text": b"no image", "large": b"\x89PNG", "cut.jpg": b"\xff\xd8\xff"}.items():
        files[name] = tmp_path / name
        files[name].write_bytes(content)
    os.truncate(files["large"], 20 * 1024 * 1024 + 1)
    wide = tmp_path / "wide.jpg"
    Image.new("L", (60, 60)).save(wide, exif=b"Exif\0\0" + bytes(60_000))
    missing = [str(tmp_path / f"missing{number}.png") for number in range(8)]
    lines = [
        *map(str, good),
        *missing,
        *(str(files[name]) for name in ("empty", "text", "large", "cut.jpg")),
        *(str(small), str(tmp_path), str(wide), "ftp://h/a.png", "https://", *signed(-5, 1), "https://h/a.jpg"),
    ]
    path = tmp_path / "list.csv"
    path.write_text("sku,uri\n" + "".join(f"s{number},{line}\n" for number, line in enumerate(lines)) + "s99,\n")
    return path, lines


def test_what_looking_tells_is_told_by_name_and_place(emulator, run, mistaken, tmp_path):
    path, lines = mistaken
    planned = plan(run, "--input", path, features="tags")
    mistakes = planned["mistakes"]
    assert {kind: found["number"] for kind, found in mistakes.items()} == {
        "expired": 1,
        "no_uri": 3,
        "missing": 8,
        "unreadable": 1,
        "empty": 1,
        "too_large": 1,
        "no_image": 2,
        "wrong_sides": 1,
    }
    assert [(each["list"], each["position"], each["image"]) for each in mistakes["missing"]["first"]] == [
        (str(path), 6 + number, lines[4 + number]) for number in range(5)
    ]
    assert [each["position"] for each in mistakes["no_uri"]["first"]] == [21, 22, 25]
    assert planned["to_call"] == planned["transactions"] == 4 + 1 + 1, "good ones, a large header, and an URL"
    assert planned["expired"] == 1
    assert planned["local_files"] == {"number": 19, "looked_at": 19}
    told = run("--input", path, command="plan").out
    assert f"  8 would fail: there is no such file\n    {path}, line 6: {lines[4]}\n" in told
    assert "    and 3 more\n" in told
    assert f"{path}, line 18: {lines[16]} (the image is 20x50 pixels" in told
    assert "sig=" not in told
    assert emulator.stats()["calls"] == 0
    assert not (tmp_path / "out").exists()
    finished = run("--input", path, "--max_attempts", "1")
    assert finished.manifest["dead_letters"]["invalid_uri"] == 3
    assert emulator.stats()["calls"] <= planned["to_call"]


@pytest.mark.parametrize("what_it_looked_at_is", ["as it was", "gone"])
def test_a_run_ends_while_it_looks(emulator, run, pictures, monkeypatch, capsys, what_it_looked_at_is):
    """It reads the journal of a run that died: whoever takes that over removes it."""
    flags = ["--images", str(pictures(2)[0].parent / "*.png")]
    look_once = plan_command._look_once

    def look_before_another(config):
        monkeypatch.setattr(plan_command, "_look_once", look_once)
        seen = look_once(config)
        assert run_command.main([*flags, "--output", config.output, "--features", "tags"]) == 0
        capsys.readouterr()
        if what_it_looked_at_is == "gone":
            raise FileNotFoundError("a segment of the journal")
        return seen

    monkeypatch.setattr(plan_command, "_look_once", look_before_another)
    assert plan(run, *flags, features="tags")["skipped"] == {"answered": 2}


def test_of_very_many_files_a_sample_is_looked_at(run, pictures, monkeypatch):
    monkeypatch.setattr(mistakes_of_plan, "MOST_FILES", 7)
    folder = pictures(20)[0].parent
    flags = ("--images", folder / "*.png", "--requests_per_second", "2")
    assert plan(run, *flags)["local_files"] == {"number": 20, "looked_at": 7}
    told = run(*flags, "--max_time", "5s", command="plan").out
    assert "only a sample of the local files was looked at: 7 of 20" in told
    assert "--max_time: about 10 are called in 5 s, and the rest would be deferred" in told
