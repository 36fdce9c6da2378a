"""Many processes against one limit, by the real classes on a fake clock; and what docs/scaling.md says of it."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scaling.md"


@pytest.fixture(scope="module", autouse=True)
def benchmarks_on_path():
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))


@pytest.fixture(scope="module")
def tables():
    return importlib.import_module("benchmarks.simulation.tables")


@pytest.fixture(scope="module")
def studies():
    return importlib.import_module("benchmarks.simulation.studies")


@pytest.fixture(scope="module")
def scenarios():
    return importlib.import_module("benchmarks.simulation.scenarios")


@pytest.mark.parametrize("kind", ["sliding", "bucket"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_200_processes_with_the_rate_given_use_the_limit_and_are_not_refused(scenarios, kind, seed):
    result = scenarios.simulate(scenarios.Scenario(200, 100.0, limit=100, kind=kind, seconds=180.0, seed=seed))
    assert 0.95 <= result.rate() <= 1.0
    assert result.refusals() < 0.01


def test_200_processes_that_start_at_once_do_not_either(scenarios):
    result = scenarios.simulate(scenarios.Scenario(200, 100.0, limit=100, seconds=180.0, start_within=0.0))
    assert 0.95 <= result.rate() <= 1.0
    assert result.refusals() < 0.01


@pytest.mark.parametrize("workers", [1, 10, 50])
def test_shares_of_more_than_a_call_a_second_are_used_to_the_full(studies, workers):
    result = studies.steady(workers, True, seconds=120.0)
    assert 0.98 <= result.rate() <= 1.0
    assert result.refusals() < 0.001


def test_hundreds_of_processes_find_an_unknown_limit_at_the_price_of_refusals(studies):
    result = studies.steady(200, False, seconds=180.0)
    assert result.rate() >= 0.88
    assert result.refusals() > result.refusals(first=60.0) > 0.01


def test_a_rate_that_is_too_high_is_cut_down_to_the_limit(scenarios):
    result = scenarios.simulate(scenarios.Scenario(200, 150.0, limit=100, seconds=240.0))
    assert result.rate() >= 0.9
    assert result.refusals(first=60.0) < 0.15


def test_nobody_stampedes_after_an_outage(studies):
    result = studies.outage(200, 60)
    assert result.recovered_after() <= 30
    assert result.refusals(first=result.scenario.outage[1]) < 0.01


def test_every_image_ends_once_and_an_outage_costs_a_thin_share_one_at_most(scenarios):
    scenario = scenarios.Scenario(
        200, 100.0, limit=100, images=12_000, max_in_flight=4, batch_size=4, outage=(30.0, 60.0)
    )
    result = scenarios.simulate(scenario)
    assert sum(result.outcomes.values()) == 12_000
    assert result.outcomes["dead letter"] <= 200


def test_the_rate_of_processes_that_do_not_start_is_not_used(studies):
    assert studies.fewer(50).rate() == pytest.approx(0.25 * 0.97, abs=0.01)


def test_the_same_scenario_gives_the_same_result(scenarios):
    scenario = scenarios.Scenario(20, None, limit=50, seconds=60.0)
    assert scenarios.simulate.__wrapped__(scenario) == scenarios.simulate.__wrapped__(scenario)


@pytest.mark.parametrize("name", ["formulas", "examples"])
def test_the_page_says_what_the_code_does(tables, name):
    assert tables.written_table(PAGE, name) == tables.TABLES[name]()


def test_the_page_shows_the_results_of_the_simulation(tables):
    rows = tables.written_table(PAGE, "steady").splitlines()
    assert f"| {' | '.join(tables.steady_row(200))} |" in rows


def test_the_plots_of_the_page_are_there():
    for name in importlib.import_module("benchmarks.simulation.plots").PLOTS:
        assert f"(plots/{name}.svg)" in PAGE.read_text(encoding="utf-8")
        assert (PAGE.parent / "plots" / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")
