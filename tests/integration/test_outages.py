"""An outage is nobody's fault: no dead letters, few attempts, and a clear end where it lasts."""

import socket

import pytest

POISON = 77


@pytest.mark.parametrize(
    "kind", ["unavailable", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("bad_gateway", "reset"))]
)
def test_an_outage_in_the_middle_costs_little_and_loses_nothing(emulator, run, pictures, kind):
    folder = pictures(120)[0].parent
    emulator.set_faults({"latency": {"seconds": 0.02}, "outage": {"after_calls": 40, "seconds": 4, "kind": kind}})
    finished = run("--images", folder / "*.png", "--requests_per_second", "40", "--ambiguous_retries", "3")
    assert finished.code == 0
    assert finished.manifest["conservation"]["analyzed"] == 120
    assert emulator.stats()["outage_arrivals"] < 20
    print(kind, "attempts during the outage:", emulator.stats()["outage_arrivals"])


def test_an_endpoint_that_is_down_for_good_ends_the_run(emulator, run, pictures, monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("VISION_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        finished = run("--images", pictures(100)[0].parent / "*.png", "--outage_patience", "3")
    assert finished.code == 3
    assert finished.manifest["deferred"] == {"outage": 100}
    assert finished.manifest["attempts"]["unreachable"] < 20
    assert "run the same command again when the service is well" in finished.err


def test_an_outage_that_outlasts_patience_keeps_what_was_answered(emulator, run, pictures):
    emulator.set_faults({"outage": {"after_calls": 30, "seconds": 3600, "kind": "unavailable"}})
    finished = run("--images", pictures(80)[0].parent / "*.png", "--outage_patience", "3")
    assert finished.code == 3
    accounts = finished.manifest["conservation"]
    assert (accounts["analyzed"], accounts["dead_letters"], accounts["deferred"]) == (30, 0, 50)


@pytest.mark.parametrize("kind", ["internal", pytest.param("reset", marks=pytest.mark.long)])
def test_poison_images_are_no_outage(emulator, run, pictures, kind):
    """One image in a hundred always fails, also when nothing but poison is left to call."""
    folder = pictures(495)[0].parent
    poison = {str(path) for path in pictures(5, width=POISON)}
    emulator.set_faults({"rules": [{"match": {"width": POISON}, "fault": kind}]})
    finished = run("--images", folder / "*.png", "--max_attempts", "3")
    assert finished.code == 0
    assert {uri for (uri,) in finished.rows("dead_letters", "image_uri")} == poison
    assert finished.manifest["conservation"]["analyzed"] == 495


def test_limits_hold_and_refusals_are_waited_out(emulator, run, pictures):
    emulator.set_faults({"limits": [{"kind": "sliding", "calls": 40}], "latency": {"seconds": 0.02}})
    finished = run("--images", pictures(240)[0].parent / "*.png", "--requests_per_second", "40")
    stats = emulator.stats()
    assert finished.code == 0
    assert finished.manifest["conservation"]["analyzed"] == 240
    assert stats["by_status"].get("429", 0) <= 24, "what a busy machine delays and bunches; without a pace it is more"
    print("most accepted in one second:", stats["most_accepted_in_1s"], "refused:", stats["by_status"].get("429", 0))


@pytest.mark.parametrize(
    "form",
    ["both", "ms", "none", *(pytest.param(form, marks=pytest.mark.long) for form in ("header", "message", "date"))],
)
def test_every_form_of_refusal_is_waited_out(emulator, run, pictures, form):
    emulator.set_faults({"limits": [{"kind": "sliding", "calls": 20}], "throttle_form": form})
    finished = run("--images", pictures(50)[0].parent / "*.png", "--requests_per_second", "60")
    assert finished.code == 0
    assert finished.manifest["conservation"]["analyzed"] == 50
    refused = emulator.stats()["by_status"]["429"]
    assert 0 < refused < 50, "no more than were under way when the first was refused"
