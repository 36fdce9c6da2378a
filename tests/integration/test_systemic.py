"""One systemic reply among good ones: the spending ends, nothing is lost, the exit code says so."""

import pytest

KINDS = {
    "unauthorized": "unauthorized",
    "wrong_tier": "unauthorized",
    "no_role": "unauthorized",
    "network_denied": "unauthorized",
    "key_disabled": "unauthorized",
    "quota": "quota_spent",
    "not_found": "unknown_endpoint",
    "gone": "retired_version",
    "visual_feature": "rejected_request",
    "language": "rejected_request",
    "aspect_ratio": "rejected_request",
    "region": "rejected_request",
    "no_features": "rejected_request",
    "operation_blocked": "rejected_request",
    "redirect": "unknown_endpoint",
}
ONE = 77


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, make_picture):
    folder = tmp_path_factory.mktemp("gallery")
    for number in range(500):
        make_picture(folder / f"{number}.png", number, ONE if number == 250 else 64)
    return folder


@pytest.mark.parametrize(
    "kind",
    ["unauthorized", "redirect", *(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS)],
)
def test_it_ends_the_calls_and_loses_nothing(emulator, run, gallery, kind):
    emulator.set_faults({"rules": [{"match": {"width": ONE}, "fault": kind}]})
    finished = run("--images", gallery / "*.png", rate="1000")
    accounts = finished.manifest["conservation"]
    reason = KINDS[kind]
    assert (finished.code, finished.manifest["deferred"]) == (3, {reason: accounts["deferred"]})
    assert accounts["analyzed"] + accounts["deferred"] == 500
    assert accounts["analyzed"] == emulator.stats()["by_status"].get("200", 0)
    assert "Traceback" not in finished.err
    assert f"deferred, {reason}: " in finished.err.splitlines()[-1]
