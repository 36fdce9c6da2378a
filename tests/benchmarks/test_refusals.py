"""Whose refusals are they? One process against strays, a limit that drops, a tenant, by the real classes."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def studies():
    sys.path.insert(0, str(ROOT))
    yield importlib.import_module("benchmarks.simulation.studies")
    sys.path.remove(str(ROOT))


def answered(result, first, last):
    return sum(result.answered.get(second, 0) for second in range(first, last))


def test_a_stray_refusal_costs_nobody_else_anything(studies):
    result = studies.stray((5,))
    assert sum(result.refused.values()) == 1
    assert result.finished_at < 15


@pytest.mark.parametrize(("kind", "least"), [("of_first", 0.85), ("share", 0.80)])
def test_a_tenth_refused_by_others_costs_little_more_than_a_tenth(studies, kind, least):
    result = studies.others(studies.Strays(**{kind: 0.1}))
    without = studies.others(studies.Strays(), seconds=60.0)
    assert answered(result, 0, 600) / 600 >= least * answered(without, 0, 60) / 60


def test_an_unknown_limit_is_found_and_used(studies):
    result = studies.alone(50, None)
    assert result.rate(0) >= 0.92
    assert result.refusals() <= 0.02


@pytest.mark.parametrize(("workers", "least"), [(1, 0.985), (2, 0.97)])
def test_a_given_rate_is_used_and_never_refused(studies, workers, least):
    result = studies.alone(50, 50.0, workers)
    assert result.rate(2) >= least
    assert result.refusals() == 0


@pytest.mark.parametrize("given", [True, False])
def test_a_limit_that_drops_and_comes_back_is_followed(studies, given):
    result = studies.dropped(given)
    allowed = 60 * (studies.LIMIT // 3) + 60 * studies.LIMIT
    used = answered(result, 60, 180)
    assert used >= 0.9 * allowed
    assert result.refusals(first=60.0) < 0.05


@pytest.mark.parametrize("given", [True, False])
def test_what_a_tenant_leaves_is_used(studies, given):
    results = [studies.tenant(given, seed) for seed in (1, 2, 3)]
    assert sum(result.rate(0) for result in results) / 3 >= 0.85 / 2
    assert max(result.refusals() for result in results) < 0.08
