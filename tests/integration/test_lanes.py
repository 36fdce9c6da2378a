"""Several resources at once: their rates add up, and one that is refused or away leaves the rest to the others."""

from contextlib import ExitStack

import pytest
import yaml

from image_analysis_beam.emulator import EmulatorProcess

RATES = (10, 20, 30)


@pytest.fixture
def emulators(monkeypatch):
    """Three resources, each a process with a key and a limit of its own."""
    with ExitStack() as stack:
        running = []
        for number, rate in enumerate(RATES):
            running.append(stack.enter_context(EmulatorProcess("--key", f"key-{number}")))
            limits = [{"kind": "sliding", "calls": rate, "seconds": 1}]
            running[-1].set_faults({"limits": limits, "latency": {"seconds": 0.05}})
            monkeypatch.setenv(f"KEY_{number}", f"key-{number}")
        monkeypatch.delenv("VISION_ENDPOINT", raising=False)
        yield running


@pytest.fixture
def resources(emulators, tmp_path):
    """The file that names them."""
    path = tmp_path / "resources.yaml"
    named = [
        {"url": emulator.url, "rate": rate, "key_variable": f"KEY_{number}"}
        for number, (emulator, rate) in enumerate(zip(emulators, RATES, strict=True))
    ]
    path.write_text(yaml.safe_dump(named))
    return path


def analyzed(ran, number):
    """Each image once in the tables; returns how many each resource answered."""
    assert ran.rows("images", "count(*), count(DISTINCT image_id)") == [(number, number)]
    return dict(ran.rows("responses", "endpoint, count(*)", "true GROUP BY endpoint"))


def steady_rate(per_second):
    """Calls a second, without the first and the last two."""
    accepted = [counts["accepted"] for _, counts in sorted(per_second.items(), key=lambda item: int(item[0]))]
    steady = accepted[2:-2]
    return sum(steady) / len(steady)


@pytest.mark.long
def test_their_rates_add_up(emulators, resources, run, pictures, monkeypatch, tmp_path):
    alone = 0
    for number, (emulator, rate) in enumerate(zip(emulators, RATES, strict=True)):
        monkeypatch.setenv("VISION_KEY", f"key-{number}")
        one = pictures(10 * rate, folder=f"alone-{number}")[0].parent
        run("--images", f"{one}/*.png", "--endpoint", emulator.url, "--output", tmp_path / one.name, rate=str(rate))
        alone += emulator.stats()["by_status"].get("429", 0)
        emulator.reset()
    folder = pictures(600)[0].parent
    ran = run("--images", f"{folder}/*.png", "--endpoint", resources, rate="")
    assert ran.code == 0, ran.err
    by_endpoint = analyzed(ran, 600)
    stats = [emulator.stats() for emulator in emulators]
    assert [by_endpoint[emulator.url] for emulator in emulators] == [each["by_status"]["200"] for each in stats]
    together = sum(steady_rate(each["per_second"]) for each in stats)
    refused = sum(each["by_status"].get("429", 0) for each in stats)
    print(f"{together:.1f} a second; refused: {refused}, of each alone: {alone}")
    assert together >= 58
    assert refused <= alone + 3, "a busy machine makes some of them"


def test_one_with_a_wrong_key_and_one_that_goes_away_leave_the_rest_to_the_third(
    emulators, resources, run, pictures, monkeypatch
):
    monkeypatch.setenv("KEY_0", "wrong")
    emulators[1].set_faults({"outage": {"after_calls": 20, "seconds": 1000, "kind": "reset"}})
    folder = pictures(120)[0].parent
    ran = run("--images", f"{folder}/*.png", "--endpoint", resources, rate="")
    assert ran.code == 0, ran.err
    by_endpoint = analyzed(ran, 120)
    assert set(by_endpoint) == {emulators[1].url, emulators[2].url}
    assert by_endpoint[emulators[1].url] == 20
    assert emulators[0].stats()["calls"] <= 2
    assert f"{emulators[0].url}: unauthorized" in ran.err
