"""Section tables are a pure function of answers: flattened again, they are the same, and no call is made."""

from image_analysis_beam.schemas import TABLES

SECTIONS = [name for name, table in TABLES.items() if table.kind == "section"]


def rows(finished, table):
    columns = ", ".join(f'"{name}"' for name in TABLES[table].schema.names if name != "run_id")
    return sorted(map(repr, finished.rows(table, columns)))


def test_reflattened_tables_equal_the_first(emulator, run, pictures, tmp_path):
    folder = pictures(10)[0].parent
    features = "caption,denseCaptions,tags,objects,people,smartCrops,read"
    run("--images", folder / "*.png", features=features)
    pictures(10, first=10)
    first = run("--images", folder / "*.png", features=features)
    calls = emulator.stats()["calls"]
    again = run("--stored", first.output, "--output", tmp_path / "fresh", command="reflatten", features=None)
    assert again.code == 0
    assert "20 analyzed" in again.out
    assert emulator.stats()["calls"] == calls
    for table in [*SECTIONS, "responses"]:
        assert rows(again, table) == rows(first, table), table
    skipped = run("--images", folder / "*.png", "--output", tmp_path / "fresh", features=features)
    assert skipped.manifest["skipped"] == {"answered": 20}


def test_only_into_a_fresh_folder_and_only_from_one_with_answers(emulator, run, pictures, tmp_path):
    first = run("--images", pictures(1)[0])
    for stored, output, words in (
        (first.output, first.output, "holds runs already"),
        (tmp_path / "none", tmp_path / "fresh", "no committed run"),
        ("", tmp_path / "fresh", "set --stored and --output"),
    ):
        refused = run("--stored", stored, "--output", output, command="reflatten", features=None)
        assert refused.code == 2
        assert words in refused.err
