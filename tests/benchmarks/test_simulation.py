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


ENOUGH, FEW = 0.97, 0.005  # of the limit used, and of all calls refused, from a minute on
LIMIT = 100


def never_over_it(result):
    """In no ten seconds more calls than the limit, but for a hundredth and one."""
    return result.most_in(10) <= 1.01 * 10 * result.scenario.limit + 1


@pytest.mark.parametrize(
    "workers", [1, 10, 50, pytest.param(200, marks=pytest.mark.long), pytest.param(500, marks=pytest.mark.long)]
)
def test_any_number_of_processes_uses_the_limit_and_is_not_refused(studies, workers):
    result = studies.steady(workers, True, seconds=180.0)
    assert ENOUGH <= result.rate() <= 1.0
    assert result.refusals(first=60.0) < FEW
    assert never_over_it(result)


def test_200_processes_that_start_at_once_do_too(scenarios):
    result = scenarios.simulate(scenarios.Scenario(200, 100.0, limit=LIMIT, seconds=120.0, start_within=0.0))
    assert ENOUGH <= result.rate() <= 1.0
    assert result.refusals(first=60.0) < FEW
    assert never_over_it(result)


def test_200_processes_that_do_not_know_of_each_other_come_to_lie_evenly(scenarios):
    result = scenarios.simulate(scenarios.Scenario(200, 100.0, limit=LIMIT, seconds=180.0, live=False))
    assert 0.95 <= result.rate() <= 1.0
    assert result.refusals() < 0.01


def test_the_rate_of_processes_that_do_not_start_is_used_by_those_that_do(studies):
    result = studies.fewer(20)
    assert result.between(75, 300) >= ENOUGH
    assert never_over_it(result)


@pytest.mark.parametrize("workers", [40, pytest.param(200, marks=pytest.mark.long)])
def test_the_rate_of_the_dead_is_used_by_the_others_within_40_seconds(studies, workers):
    result, at = studies.killed(workers), studies.CHANGE_AT
    assert result.between(at + 5, at + 20) == pytest.approx(0.5, abs=0.02)
    assert result.between(at + 40, at + 60) >= ENOUGH
    assert result.refusals(first=60.0) < FEW
    assert never_over_it(result)


@pytest.mark.parametrize("workers", [2, 10, pytest.param(200, marks=pytest.mark.long)])
def test_who_was_stalled_for_a_minute_and_wakes_does_not_break_the_limit(studies, workers):
    result, at = studies.stalled(workers), studies.CHANGE_AT
    assert result.between(at + 45, at + 60) >= ENOUGH - 0.02
    assert result.between(at + 110, at + 180) >= ENOUGH
    assert result.refusals(first=60.0) < FEW
    assert never_over_it(result)


@pytest.mark.parametrize("workers", [10, pytest.param(100, marks=pytest.mark.long)])
def test_two_jobs_of_one_share_use_it_but_for_30_seconds_after_one_comes_or_goes(studies, workers):
    result, at = studies.two_jobs(workers), studies.CHANGE_AT
    for first, last in ((60, at), (at + 35, at + 120), (at + 150, at + 240)):
        assert ENOUGH <= result.between(first, last) <= 1.0
    assert result.refusals(first=60.0) < FEW
    assert never_over_it(result)


@pytest.mark.long
def test_a_list_ends_soon_after_the_ideal_time(studies):
    assert studies.finish(200, True).finished_at <= 1.06 * studies.IMAGES / LIMIT


def test_one_process_that_cannot_reach_the_service_does_not_eat_the_list(studies):
    outcomes = studies.cut_off(1).outcomes
    assert sum(outcomes.values()) == 5000
    assert outcomes["analyzed"] >= 5000 * 2 / 3


def test_hundreds_of_processes_find_an_unknown_limit_at_the_price_of_refusals(studies):
    result = studies.steady(200, False, seconds=180.0)
    assert result.rate() >= 0.88
    assert result.refusals() > result.refusals(first=60.0) > 0.01


def test_a_rate_that_is_too_high_is_cut_down_to_the_limit(scenarios):
    result = scenarios.simulate(scenarios.Scenario(100, 150.0, limit=100, seconds=150.0))
    assert result.rate() >= 0.9
    assert result.refusals(first=60.0) < 0.15


@pytest.mark.parametrize("workers", [50, pytest.param(200, marks=pytest.mark.long)])
def test_nobody_stampedes_after_an_outage(studies, workers):
    result = studies.outage(workers, 60)
    assert result.recovered_after() <= 30
    assert result.refusals(first=result.scenario.outage[1]) < 0.01


def test_every_image_ends_once_and_an_outage_costs_a_thin_share_one_at_most(scenarios):
    scenario = scenarios.Scenario(
        200, 100.0, limit=100, images=12_000, max_in_flight=4, batch_size=4, outage=(30.0, 60.0)
    )
    result = scenarios.simulate(scenario)
    assert sum(result.outcomes.values()) == 12_000
    assert "dead letter" not in result.outcomes
    assert 12_000 - result.outcomes["analyzed"] <= 200


def test_the_same_scenario_gives_the_same_result(scenarios):
    scenario = scenarios.Scenario(20, None, limit=50, seconds=60.0)
    assert scenarios.simulate.__wrapped__(scenario) == scenarios.simulate.__wrapped__(scenario)


@pytest.mark.parametrize("name", ["formulas", "examples"])
def test_the_page_says_what_the_code_does(tables, name):
    assert tables.written_table(PAGE, name) == tables.TABLES[name]()


def test_the_page_shows_the_results_of_the_simulation(tables):
    rows = tables.written_table(PAGE, "steady").splitlines()
    assert f"| {' | '.join(tables.steady_row(10))} |" in rows


def test_the_plots_of_the_page_are_there():
    for name in importlib.import_module("benchmarks.simulation.plots").PLOTS:
        assert f"(plots/{name}.svg)" in PAGE.read_text(encoding="utf-8")
        assert (PAGE.parent / "plots" / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")
