"""The command `sql`: what it prints, what it writes, and what it says to a query that cannot be answered."""

from __future__ import annotations

import io
import json
import sys

import duckdb
import pytest

from image_analysis_beam.pipeline import sql as sql_command
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.views.database import write
from image_analysis_beam.pipeline.views.definitions import VIEWS


@pytest.fixture
def sql(history, capsys):
    """`sql(query, …)`: exit code, output, errors."""

    def ask(*arguments):
        code = main(["sql", str(history.output), *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ask


def test_rows_are_printed_in_columns(sql):
    query = "SELECT place, count(*) AS images FROM outcomes WHERE NOT is_duplicate GROUP BY ALL ORDER BY images, place"
    assert sql(query) == (0, "place        images\ndead_letter  2\ndeferred     2\nanswered     4\n", "")
    assert sql("SELECT * FROM tags WHERE false")[1].split() == [name for name, *_ in duckdb_columns(sql)]


def duckdb_columns(sql):
    code, out, _ = sql("DESCRIBE tags", "--json")
    assert code == 0
    return [(row["column_name"], row["column_type"]) for row in json.loads(out)]


def test_json_has_values_of_their_types(sql, history):
    code, out, _ = sql("SELECT features, amount, committed_at, complete FROM runs ORDER BY number LIMIT 1", "--json")
    assert code == 0
    (row,) = json.loads(out)
    first = history.manifests[0]
    assert row == {
        "features": ["tags"],
        "amount": first["cost"]["amount"],
        "committed_at": first["committed_at"],
        "complete": True,
    }


def test_flags_may_stand_before_what_is_asked(sql):
    code, out, _ = sql("--json", "SELECT 1 AS one")
    assert (code, json.loads(out)) == (0, [{"one": 1}])


def test_amounts_at_other_prices(sql, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text('{"currency": "EUR", "tags": 100, "caption": 3000}')
    at_these = "sum(transactions * CASE feature WHEN 'tags' THEN 0.1 ELSE 3 END) = sum(amount)"
    query = f"SELECT {at_these} AS cost, sum(amount) = (SELECT sum(amount) FROM runs) AS runs, currency FROM cost"
    code, out, _ = sql(f"{query} GROUP BY ALL", "--prices", prices, "--json")
    assert code == 0
    assert json.loads(out) == [{"cost": True, "runs": True, "currency": "EUR"}]


def test_queries_come_from_standard_input(sql, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1 AS one;\nSELECT 2 AS two\n"))
    assert sql() == (0, "one\n1\ntwo\n2\n", "")


def test_a_database_for_other_programs(sql, tmp_path):
    path = tmp_path / "out.duckdb"
    assert sql("--write", path) == (0, f"written: {path}\n", "")
    with duckdb.connect(str(path), read_only=True) as connection:
        for name in VIEWS:
            connection.execute(f"FROM {name}")
        assert connection.execute("SELECT count(*) FROM raw.tags").fetchall() > [(0,)]
        assert connection.execute("SELECT count(*) FROM outcomes").fetchall() == [(15,)]
    code, _, err = sql("--write", path)
    assert code == 2
    assert f"write '{path}': it is there already; remove it, or name another file" in err


def test_two_write_one_database(sql, history, tmp_path, monkeypatch):
    """The one that came second took the other's for a half of its own, and removed it."""
    path = tmp_path / "out.duckdb"

    def write_after_another(*given):
        monkeypatch.setattr(sql_command, "write", write)
        assert sql_command.main([str(history.output), "--write", str(path)]) == 0
        write(*given)

    monkeypatch.setattr(sql_command, "write", write_after_another)
    code, _, err = sql("--write", path)
    assert (code, "it is there already" in err) == (2, True)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM outcomes").fetchall() == [(15,)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM tagz", 'Did you mean "tags"'),
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM tags", "nope"),
        ("SELECT error(name) FROM tags", "Invalid Input Error"),
    ],
)
def test_a_query_that_cannot_be_answered(sql, query, words):
    code, out, err = sql(query)
    assert (code, out) == (2, "")
    assert err.startswith(f"image-analysis-beam: query '{query}': ")
    assert words in err
    assert "the views: images, captions" in err


def test_a_folder_without_runs(tmp_path, capsys):
    assert main(["sql", str(tmp_path), "SELECT 1"]) == 2
    assert "it holds no committed run" in capsys.readouterr().err


def test_the_help_names_every_view(capsys):
    assert main(["sql", "--help"]) == 0
    out = capsys.readouterr().out
    assert [name for name in VIEWS if f"  {name} " not in out] == []


def test_without_a_query_standard_input_is_needed(sql, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    code, _, said = sql()
    assert (code, "standard input, where it would come from, is closed; name one after OUT" in said) == (2, True)
