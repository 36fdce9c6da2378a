"""What comes back is kept whole, also what no table can hold; its dead letter says what the call was."""

import json
from datetime import datetime, timedelta, timezone

import apache_beam as beam
from apache_beam.testing.util import assert_that

from image_analysis_beam.schemas.outcomes import Analyzed
from image_analysis_beam.transforms import FlattenSections, RecordsToTables

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
GOOD = '{"modelVersion":"v","metadata":{"width":60,"height":50},"tagsResult":{"values":[]}}'
REFUSED = json.dumps({"metadata": {"width": 60, "height": 50}, "tagsResult": {"values": 7}, "new": "é" * 100_000})


def answer(number, body, **fields):
    answer = Analyzed(
        f"{number:032x}", "u", "v1", "before", "2024-02-01", ("tags",), None, body, "id", "r", 1, 1.5, 3, True, 9, 2, AT
    )
    return answer._replace(**fields)


def flatten(answers, check):
    """Runs the answers through the transform; `check` gets the rows of each table by name, and the dead letters."""
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        tables = pipeline | beam.Create(answers) | RecordsToTables() | beam.Values()
        sections = tables | FlattenSections("now")
        both = (sections["tables"], sections["dead_letters"] | beam.Map(lambda letter: (None, letter))) | beam.Flatten()
        assert_that(both | beam.combiners.ToList(), lambda results: check(*_sorted(results[0])))


def _sorted(results):
    rows = {name: sorted(found.to_pylist(), key=lambda row: row["image_id"]) for name, found in results if name}
    return rows, [letter for name, letter in results if name is None]


def test_a_refused_answer_stays_whole_among_the_responses():
    def check(rows, letters):
        assert [row["body"] for row in rows["responses"]] == [GOOD, REFUSED]
        assert [row["image_id"] for row in rows["images"]] == [f"{0:032x}"]
        (letter,) = letters
        (_, kept) = rows["responses"]
        assert {letter.image_id, letter.fingerprint, letter.run_id} == {f"{1:032x}", "v1", "now"}
        assert (kept["image_id"], kept["fingerprint"], kept["run_id"]) == (f"{1:032x}", "v1", "now")
        assert letter.message == "tagsResult.values: expected a list, got 7"

    flatten([answer(0, GOOD), answer(1, REFUSED)], check)


def test_its_dead_letter_has_the_times_and_attempts_of_the_call():
    began = AT - timedelta(seconds=40)

    def check(_, letters):
        (letter,) = letters
        assert (letter.first_attempt_at, letter.last_attempt_at) == (began, AT)
        assert (letter.attempts, letter.maybe_billed, letter.redrive_count, letter.billed_units) == (3, True, 2, 1)

    flatten([answer(1, REFUSED, first_attempt_at=began)], check)


def test_an_answer_of_before_the_first_attempt_was_kept_says_when_it_came():
    def check(_, letters):
        assert [letter.first_attempt_at for letter in letters] == [AT]

    flatten([answer(1, REFUSED)], check)
