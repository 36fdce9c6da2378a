"""Never pay twice: killed runs, second runs, redrives and budgets."""

import glob
import random
import re
import subprocess
import sys
import threading

import duckdb
import pyarrow.parquet as pq
import pytest
from conftest import KEY, Run

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.schemas import TABLES
from stand_ins.forked import Forked

WRITTEN = list(TABLES)
OF_THE_CALL = {
    "run_id",
    "endpoint",
    "request_id",
    "latency_ms",
    "analyzed_at",
    "attempts",
    "maybe_billed",
    "region",
    "first_attempt_at",
}
IN_FLIGHT = 16
RATE = 100
WIDTH, FIT = 96, 64


def content(finished, table):
    """The rows of a table without what differs from call to call."""
    columns = ", ".join(f'"{name}"' for name in TABLES[table].schema.names if name not in OF_THE_CALL)
    return sorted(map(repr, finished.rows(table, columns)))


class Killable:
    """The command in a process of its own, which a thread kills when the emulator has seen enough calls."""

    def __init__(self, emulator, flags):
        self.emulator, self.flags = emulator, flags

    def kill_after(self, calls):
        self.kill_when(lambda: self.emulator.stats()["calls"] >= calls)

    def kill_when(self, condition):
        command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *map(str, self.flags)]
        process = Forked(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and not condition():
            threading.Event().wait(0.002)
        process.kill()
        process.wait()


def flags_of(folder, output, *more):
    return [
        *("--images", folder / "*.png", "--output", output, "--features", "tags,objects,read"),
        *("--requests_per_second", RATE, "--max_in_flight", IN_FLIGHT, "--fit", FIT, *more),
    ]


@pytest.fixture(scope="module")
def uninterrupted(make_picture, tmp_path_factory):
    """300 pictures, and the tables of a run that nobody disturbed: all were fitted, and boxes scaled."""
    folder, output = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("undisturbed") / "out"
    for index in range(300):
        make_picture(folder / f"{index:05d}.png", index, WIDTH)
    with Emulator(key=KEY) as emulator, pytest.MonkeyPatch.context() as environment:
        environment.setenv("VISION_ENDPOINT", emulator.url)
        environment.setenv("VISION_KEY", KEY)
        assert main(["run", *map(str, flags_of(folder, output, "--requests_per_second", 2000))]) == 0
    finished = Run(0, "", "", output)
    assert finished.rows("images", "DISTINCT width, fit, sent_width, sent_format") == [(WIDTH, FIT, FIT, "JPEG")]
    return folder, {table: content(finished, table) for table in WRITTEN}


def check_complete(finished, expected, emulator):
    assert finished.code == 0
    for table in WRITTEN:
        assert content(finished, table) == expected[table], table
    assert finished.rows("images", "count(distinct image_id), count(*)") == [(300, 300)]
    assert not list((finished.output / "journal").glob("**/*.parquet"))
    assert not list((finished.output / "staging").glob("**/*.parquet"))
    assert not [path for path in (finished.output / "runs").iterdir() if path.name != "log" and path.is_dir()]


@pytest.mark.parametrize("share", [0, pytest.param(0.9, marks=pytest.mark.long)])
def test_a_killed_run_is_taken_up(uninterrupted, emulator, run, tmp_path, share):
    folder, expected = uninterrupted
    flags, journal = flags_of(folder, tmp_path / "out"), tmp_path / "out" / "journal"
    is_under_way = lambda: emulator.stats()["calls"] >= 300 * share and any(journal.glob("*/*/*.parquet"))  # noqa: E731
    Killable(emulator, flags).kill_when(is_under_way)
    calls = emulator.stats()["calls"]
    kept = sum(pq.read_metadata(path).num_rows for path in journal.glob("*/*/*.parquet"))
    finished = run(*flags, features=None)
    check_complete(finished, expected, emulator)
    print(f"killed after {calls} calls, {kept} of them kept")
    assert kept >= calls - IN_FLIGHT - 2 * RATE
    assert finished.manifest["calls"]["attempts"] == 300 - kept, "none is called whose answer was kept"


@pytest.mark.long
def test_killed_again_and_again_at_random_moments(uninterrupted, emulator, run, tmp_path):
    folder, expected = uninterrupted
    flags = flags_of(folder, tmp_path / "out")
    moments = random.Random(4)
    for _ in range(2):
        Killable(emulator, flags).kill_after(emulator.stats()["calls"] + moments.randint(20, 250))
    check_complete(run(*flags, features=None), expected, emulator)


@pytest.mark.long
@pytest.mark.parametrize(
    "pattern", ["runs/*.json", "staging/*/*.parquet", "images/*/*.parquet", "deferred/*/*.parquet"]
)
def test_killed_during_the_final_writes(uninterrupted, emulator, run, tmp_path, pattern):
    folder, expected = uninterrupted
    flags = flags_of(folder, tmp_path / "out", "--requests_per_second", 2000)
    Killable(emulator, flags).kill_when(lambda: any((tmp_path / "out").glob(pattern)))
    finished = run(*flags, features=None)
    check_complete(finished, expected, emulator)


def test_the_second_run_calls_nothing_and_says_so(emulator, run, pictures):
    folder = pictures(20)[0].parent
    assert run("--images", folder / "*.png").code == 0
    again = run("--images", folder / "*.png")
    assert emulator.stats()["calls"] == 20
    assert "20 skipped" in again.out
    assert "0 calls made" in again.out
    assert again.manifest["skipped"] == {"answered": 20}
    run("--images", folder / "*.png", "--max_in_flight", "8")
    assert emulator.stats()["calls"] == 20
    pictures(10, first=20)
    assert run("--images", folder / "*.png").manifest["conservation"]["analyzed"] == 10
    assert emulator.stats()["calls"] == 30
    run("--images", folder / "*.png", features="tags,objects")
    assert emulator.stats()["calls"] == 60


def test_another_signature_is_no_other_image(emulator, run, listed, pictures, tmp_path):
    emulator.set_faults({"rules": []})
    path = pictures(1)[0]
    assert run("--input", listed([f"file://{path}"])).code == 0
    assert run("--input", listed([path], "again.txt")).manifest["skipped"] == {"answered": 1}
    urls = [f"http://127.0.0.1:9/a.png?sv=1&sig={signature}" for signature in ("one", "two")]
    first = run("--input", listed(urls[:1], "one.txt"))
    assert first.manifest["dead_letters"] == {"rejected_image": 1}
    second = run("--input", listed(urls[1:], "two.txt"))
    assert second.manifest["skipped"] == {"known_bad": 1}
    assert emulator.stats()["calls"] == 2


def test_retryable_dead_letters_are_redriven(emulator, run, pictures):
    folder = pictures(180)[0].parent
    pictures(20, width=77)
    slower_than_refusals = {"match": {"width": 64}, "fault": {"kind": "slow", "seconds": 0.3}}
    emulator.set_faults({"rules": [{"match": {"width": 77}, "fault": "unavailable"}, slower_than_refusals]})
    first = run("--images", folder / "*.png", "--max_attempts", "1")
    assert first.manifest["dead_letters"] == {"service_error": 20}
    emulator.reset()
    assert run("--images", folder / "*.png", "--redrive", "none").manifest["skipped"] == {
        "answered": 180,
        "known_bad": 20,
    }
    assert emulator.stats()["calls"] == 0
    second = run("--images", folder / "*.png")
    assert emulator.stats()["calls"] == 20
    assert second.manifest["conservation"]["analyzed"] == 20
    assert second.rows("responses", "count(*)", "redrive_count = 1") == [(20,)]


def test_a_permanent_failure_is_redriven_on_demand_only_and_not_for_ever(emulator, run, pictures):
    folder = pictures(2, width=77)[0].parent
    emulator.set_faults({"rules": [{"match": {}, "fault": "image_format"}]})
    flags = ("--images", folder / "*.png", "--max_redrives", "2")
    assert run(*flags).manifest["dead_letters"] == {"rejected_image": 2}
    assert run(*flags).manifest["skipped"] == {"known_bad": 2}
    for redrive in (1, 2):
        finished = run(*flags, "--redrive", "failed")
        newest = finished.manifest["run_id"]
        counts = finished.rows(
            "dead_letters", "redrive_count, first_attempt_at < last_attempt_at", f"run_id = '{newest}'"
        )
        assert counts == [(redrive, True)] * 2
    assert run(*flags, "--redrive", "failed").manifest["skipped"] == {"redrives_spent": 2}
    assert emulator.stats()["calls"] == 6


def test_the_budget_is_hard_and_the_next_run_goes_on(emulator, run, pictures):
    folder = pictures(140)[0].parent
    emulator.set_faults({"rules": [{"match": {"first": 1, "per_image": True, "rate": 0.1}, "fault": "internal"}]})
    flags = ("--images", folder / "*.png", "--max_calls", "60")
    first = run(*flags, "--direct_running_mode", "multi_processing", "--direct_num_workers", "2")
    assert first.code == 3
    assert first.manifest["conservation"]["analyzed"] == 60
    assert first.manifest["deferred"] == {"over_budget": 80}
    assert emulator.stats()["distinct_images"] == 60
    assert "run the same command again to go on" in first.err
    assert run(*flags).manifest["conservation"]["analyzed"] == 60
    last = run(*flags)
    assert (last.code, last.manifest["conservation"]["analyzed"]) == (0, 20)
    assert emulator.stats()["distinct_images"] == 140


def test_what_was_deferred_comes_first(emulator, run, pictures, listed):
    old = pictures(10)
    run("--input", listed(old), "--max_calls", "0")
    new = pictures(30, first=10)
    finished = run("--input", listed([*old, *new], "more.txt"), "--max_calls", "10")
    assert {uri for (uri,) in finished.rows("images", "image_uri")} == set(map(str, old))


def test_duplicates_share_a_call_under_the_first_spelling(emulator, run, pictures, listed):
    path = pictures(1)[0]
    spellings = [f"{path.parent}/./{path.name}", str(path), f"file://{path}"]
    finished = run("--input", listed(spellings))
    assert finished.manifest["conservation"]["duplicates"] == 2
    assert emulator.stats()["calls"] == 1
    ((image_id, image_uri),) = finished.rows("images", "image_id, image_uri")
    assert image_uri == spellings[0]
    inputs = finished.rows("inputs", "uri, image_id, path")
    assert sorted(inputs) == sorted((uri, image_id, str(path)) for uri in spellings)


def test_of_two_runs_at_once_one_pays(emulator, run, pictures, tmp_path):
    folder = pictures(150)[0].parent
    flags = flags_of(folder, tmp_path / "out", "--requests_per_second", 20)
    other = Forked([sys.executable, "-m", "image_analysis_beam.pipeline", "run", *map(str, flags)])
    while other.poll() is None and not emulator.stats()["calls"]:
        threading.Event().wait(0.01)
    mine = run(*flags, features=None)
    assert mine.code == 5
    said = r"is owned by run \S+ \(process \d+ on \S+\), which is alive; .* --take_over"
    assert re.search(said, mine.err.splitlines()[-1])
    assert other.wait() == 0
    assert emulator.stats()["calls"] == 150
    assert run(*flags, features=None).manifest["skipped"] == {"answered": 150}


@pytest.mark.parametrize(
    ("anew", "after", "is_whole"),
    [
        (("--fit", 2 * FIT), ("--fit", 2 * FIT), True),  # called as the answers are to fewer pixels
        pytest.param(("--redrive", "everything"), (), False, marks=pytest.mark.long),
    ],
)
def test_what_a_killed_run_asked_anew_of_answered_images_is_kept(
    emulator, run, pictures, tmp_path, anew, after, is_whole
):
    folder, output = pictures(100, width=2 * WIDTH)[0].parent, tmp_path / "out"
    flags = ("--images", folder / "*.png", "--output", output, "--features", "tags")
    assert run(*flags, "--fit", FIT, features=None).code == 0
    segments = output / "journal" / "*" / "*" / "*.parquet"
    killable = Killable(emulator, [*flags, "--requests_per_second", 50, *anew])
    killable.kill_when(lambda: glob.glob(str(segments)))
    [(journalled,)] = duckdb.sql(f"SELECT count(*) FROM '{segments}'").fetchall()
    paid = emulator.stats()["calls"]
    finished = run(*flags, *after, features=None)
    assert finished.manifest["conservation"]["analyzed"] == (100 if is_whole else journalled)
    assert emulator.stats()["calls"] - paid == (100 - journalled if is_whole else 0)
    assert run(*flags, *after, features=None).manifest["skipped"] == {"answered": 100}


@pytest.mark.long
def test_journalled_answers_of_another_request_are_kept(emulator, run, pictures, tmp_path):
    """A crashed run's answers were paid for: they reach the tables whatever the next run asks."""
    folder = pictures(100)[0].parent
    flags = flags_of(folder, tmp_path / "out", "--requests_per_second", 50)
    journal = tmp_path / "out" / "journal"
    Killable(emulator, flags).kill_when(lambda: any(journal.glob("*/*/*.parquet")))
    paid = emulator.stats()["calls"]
    finished = run("--images", folder / "*.png", "--output", tmp_path / "out", features="people")
    assert finished.code == 0
    extra = finished.manifest["conservation"]["recovered_extra"]
    assert 0 < extra <= paid
    assert finished.manifest["conservation"]["analyzed"] == 100 + extra
    assert main(["run", *map(str, flags)]) == 0
    assert emulator.stats()["calls"] <= 200 + paid - extra
