"""A missing file: four runs look for it, it arrives, and the fifth one calls it."""

from __future__ import annotations

from image_analysis_beam.pipeline.views.database import Folder, opened


def ask(finished, query):
    with opened(Folder(str(finished.output)), query) as connection:
        return connection.execute(query).fetchall()


def test_the_file_arrives_and_the_fifth_run_calls_it(emulator, run, pictures, listed):
    first, late = pictures(2)
    away = late.rename(late.with_suffix(".away"))
    uris = listed([first, late])
    for _ in range(4):
        finished = run("--input", uris)
        assert finished.code == 0
    assert emulator.stats()["calls"] == 1
    assert ask(finished, "SELECT image_uri, reason, next FROM failures") == [
        (str(late), "unreadable_image", "called again by the next run")
    ]
    assert ask(finished, "SELECT position, place FROM outcomes ORDER BY 1") == [(1, "answered"), (2, "dead_letter")]
    away.rename(late)
    fifth = run("--input", uris)
    assert fifth.manifest["conservation"]["analyzed"] == 1
    assert emulator.stats()["calls"] == 2
    assert ask(fifth, "FROM failures") == []
    assert ask(fifth, "SELECT position, place FROM outcomes ORDER BY 1") == [(1, "answered"), (2, "answered")]
    assert ask(fifth, "SELECT sum(transactions)::INT FROM cost") == [(2,)]
    assert ask(fifth, "SELECT count(*) FROM inputs") == ask(fifth, "SELECT count(*) FROM raw.inputs") == [(2,)]
