"""One arithmetic of cost: plan, manifest, report and the rows of the view `cost` agree, and so does the endpoint."""

import json
from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.cost import cost_table
from image_analysis_beam.pipeline.manifests import read_manifests
from image_analysis_beam.transforms.files.local import LocalStore
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_runs
from image_analysis_beam.transforms.prices import money
from stand_ins.report_page import Page

REFUSED, MALFORMED, FLAKY, LOST = 71, 72, 73, 74
RULES = [
    {"match": {"width": REFUSED}, "fault": "image_format"},
    {"match": {"width": MALFORMED}, "fault": "wrong_types"},
    {"match": {"width": FLAKY, "first": 1, "per_image": True}, "fault": "internal"},
    {"match": {"width": LOST, "first": 1, "per_image": True}, "fault": "reset_midway"},
]
GOOD, OF_EACH = 20, 2
BILLED = GOOD + 4 * OF_EACH
PRICES = {"currency": "EUR", "tags": 1.115, "caption": 1.6, "read": 0.35}


@pytest.fixture
def flags(emulator, pictures, tmp_path):
    """Twenty good pictures, two of each fault, one that is listed twice, a missing and an empty one."""
    folder = pictures(GOOD)[0].parent
    for width in (REFUSED, MALFORMED, FLAKY, LOST):
        pictures(OF_EACH, width=width)
    (folder / "empty.png").touch()
    more = tmp_path / "more.txt"
    more.write_text(f"{folder}/64-00000.png\n{folder}/missing.png\n")
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES))
    emulator.set_faults({"rules": RULES})
    return ["--images", f"{folder}/*.png", "--input", str(more), "--prices", str(prices)]


def die_before_the_commit(flags, output, features):
    """All is called and journalled; the tables are never put in place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStore, "move", lambda *_: (_ for _ in ()).throw(OSError("full")))
        assert main(["run", *flags, "--output", str(output), "--features", features, "--quiet"]) == 3


def planned(run, flags, features):
    return json.loads(run(*flags, "--json", command="plan", features=features).out)


def test_all_say_the_same(emulator, run, flags, tmp_path, capsys):
    output, features, started = tmp_path / "out", "caption,tags", datetime.now(timezone.utc).date()
    before = planned(run, flags, features)
    assert before["to_call"] == BILLED, "two files are seen to be wrong"
    die_before_the_commit(flags, output, features)
    stats = emulator.stats()
    assert stats["billed"] == BILLED + OF_EACH, "two answers were lost on the way"

    then = planned(run, flags, features)
    assert (then["to_call"], then["cost"]["amount"]) == (0, 0)
    taking_over = run(*flags, features=features)
    assert emulator.stats()["calls"] == stats["calls"]
    cost = taking_over.manifest["cost"]
    transactions = {"caption": BILLED, "tags": BILLED}
    assert cost["transactions"] == cost["recovered"] == transactions
    assert cost["maybe_billed"] == {"caption": OF_EACH, "tags": OF_EACH}
    assert cost["reported_units"] == BILLED
    assert cost["amount"] == before["cost"]["amount"] == then["cost"]["recovered"] == BILLED * 2.715e-3
    assert (cost["currency"], cost["prices"]) == ("EUR", "your prices")

    planned_more = planned(run, flags, "caption,read,tags")
    more = run(*flags, features="caption,read,tags")
    answered = GOOD + 2 * OF_EACH
    asked = {"read": answered}
    assert more.manifest["cost"]["transactions"] == asked, "a call asks only for what is missing"
    assert more.manifest["cost"]["recovered"] == {}
    assert planned_more["cost"]["amount"] == more.manifest["cost"]["amount"] == answered * 0.35e-3

    check_readers(output, [taking_over, more], started)
    capsys.readouterr()
    assert main(["sql", str(output), "SELECT sum(amount)::DECIMAL(18, 9)::VARCHAR AS spent FROM cost", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert Decimal(row["spent"]) == sum(Decimal(str(each.manifest["cost"]["amount"])) for each in (taking_over, more))


def check_readers(output, runs, started):
    """The rows of the view, and the reports, say what the manifests say."""
    layout = Layout(str(output))
    rows = cost_table(read_manifests(layout, committed_runs(layout)).values()).to_pylist()
    assert {row["day"] for row in rows} <= {started, datetime.now(timezone.utc).date()}
    for finished in runs:
        told = finished.manifest["cost"]
        mine = [row for row in rows if row["run_id"] == finished.manifest["run_id"]]
        by_feature = Counter()
        for row in mine:
            by_feature[row["feature"]] += row["transactions"]
        assert by_feature == told["transactions"]
        amount = sum(row["amount"] for row in mine)
        assert amount == Decimal(str(told["amount"]))
        assert {row["currency"] for row in mine} == {"EUR"}
        assert main(["report", str(output), "--run", finished.manifest["run_id"]]) == 0
        told = Page(output).data["cost"]
        assert (told["amount"], told["currency"]) == (money(amount), "EUR")
