"""What a process remembers of the images that it has called."""

from datetime import datetime, timezone

from image_analysis_beam.schemas.outcomes import Analyzed, Deferred
from image_analysis_beam.transforms.endpoint.copies import Copies, Same


def answer(body):
    return Analyzed(
        *("id", "a.png", "v1", "run", "2024-02-01", ("tags",), None, body, None, None, 1, 1.0, 1, False, 10, 0),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
    )


def same(content):
    return Same(content, "v1", None, "run")


def call(copies, content, outcome):
    assert copies.first(same(content)) is None
    copies.ended(same(content), outcome)


def test_what_was_not_asked_for_the_longest_time_is_forgotten():
    copies = Copies(most_bytes=3000)
    for content in ("a", "b", "a", "c", "a", "d"):
        if copies.first(same(content)) is None:
            copies.ended(same(content), answer(content))
    assert copies.first(same("a")).result() == answer("a")
    assert copies.first(same("b")) is None


def test_one_answer_that_is_larger_than_the_memory():
    copies = Copies(most_bytes=1000)
    call(copies, "a", answer("".join(map(str, range(2000)))))
    assert copies.first(same("a")) is None


def test_who_waits_learns_that_the_first_has_failed_and_another_may_call_meanwhile():
    copies = Copies()
    assert copies.first(same("a")) is None
    waiting = copies.first(same("a"))
    assert copies.first(same("a"), may_wait=False) is None
    copies.ended(same("a"), Deferred("id", "a.png", "outage", "", "v1", "run"))
    assert waiting.result() is None
    copies.ended(same("a"), answer("a"))
    assert copies.first(same("a")).result() == answer("a")
