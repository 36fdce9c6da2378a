"""Amounts are exact, however they are added up; manifests of earlier versions say what was answered."""

from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from image_analysis_beam.pipeline.cost import cost_table, spent
from image_analysis_beam.pipeline.manifests import FIELDS
from image_analysis_beam.schemas import TABLES
from image_analysis_beam.schemas.outcomes import Analyzed
from image_analysis_beam.transforms.cost import cost_of, spent_before
from image_analysis_beam.transforms.endpoint.request import FEATURES
from image_analysis_beam.transforms.ledger.journal import ANSWERS, Segment
from image_analysis_beam.transforms.prices import INDICATIVE, Prices, money

DAYS = ("2026-01-01", "2026-01-02", "2026-02-01")
PRICE = st.integers(0, 10_000_000).map(lambda millionths: millionths / 1_000_000)
KEYS = st.tuples(st.sampled_from(("", "recovered.")), st.sampled_from(DAYS), st.sampled_from(FEATURES))


@given(st.dictionaries(KEYS, st.integers(1, 10**8)), st.fixed_dictionaries(dict.fromkeys(FEATURES, PRICE)))
def test_rows_add_up_to_the_amount(numbers, per_thousand):
    counts = {f"{before}billed.{day}.{feature}": number for (before, day, feature), number in numbers.items()}
    cost = cost_of(counts, Prices(per_thousand, "EUR"))
    rows = cost_table([FIELDS | {"run_id": "r", "cost": cost}]).to_pylist()
    exact = sum(round(per_thousand[key[2]] * 1_000_000) * number for key, number in numbers.items())
    assert sum(row["amount"] for row in rows) == Decimal(exact).scaleb(-9)
    assert abs(Decimal(str(cost["amount"])) - Decimal(exact).scaleb(-9)) < Decimal("1e-6")
    by_feature = Counter()
    for (_, _, feature), number in numbers.items():
        by_feature[feature] += number
    assert cost["transactions"] == by_feature
    assert sum(cost["recovered"].values()) == sum(n for (before, *_), n in numbers.items() if before)
    assert len(rows) == len({key[1:] for key in numbers})


def test_half_a_cent_is_rounded_up_whatever_the_binary_number():
    for thousandths in range(5, 10_000, 10):
        amount = Prices(INDICATIVE).cost({"tags": thousandths})
        assert money(amount) == money(float(amount)) == f"{(thousandths + 5) // 10 / 100:.2f}"


def test_what_earlier_versions_counted():
    old = FIELDS | {
        "run_id": "r",
        "committed_at": "2026-01-02T03:04:05+00:00",
        "attempts": {"answered": 7, "internal": 2},
    }
    assert spent(old) is None, "nobody knows what was asked"
    rows = cost_table([old | {"request": {"features": ["caption", "tags"]}}, old]).to_pylist()
    assert [(str(row["day"]), row["feature"], row["transactions"]) for row in rows] == [
        ("2026-01-02", "caption", 7),
        ("2026-01-02", "tags", 7),
    ]
    assert sum(row["amount"] for row in rows) == Decimal("0.0175")
    assert cost_table([]).num_rows == 0


def test_a_run_that_called_nothing_keeps_its_prices():
    assert cost_of({}, Prices({"tags": 7.0}))["per_thousand"] == {"tags": 7.0}


def test_a_segment_of_copies_had_cost_nothing_and_one_without_counts_a_call_for_each_other_answer():
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    facts = ("a.png", "v1", "run", "2024-02-01", ("tags",), None, "{}", None, None, None, 1.0, 1, False, 9, 0, noon)
    called, copy = Analyzed("a", *facts), Analyzed("b", *facts, copy_of="a")
    segments = (Segment("", ANSWERS, TABLES["responses"].to_table(rows), {}) for rows in ([copy], [called, copy]))
    assert list(map(spent_before, segments)) == [{}, {"recovered.billed.2026-01-01.tags": 1}]
