"""What a user names is never a pattern: a folder may be called anything, and every command finds what is in it."""

import pytest

from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.transforms.files import many, storage
from image_analysis_beam.transforms.ledger.layout import Layout
from image_analysis_beam.transforms.ledger.log import committed_runs
from stand_ins.report_page import Page


@pytest.mark.parametrize(
    "name",
    [
        *("out [1]", "a*b", "50% é日", "out//"),
        *(pytest.param(name, marks=pytest.mark.long) for name in ("out?x", "[!a]", "{a,b}", "#1", "~", " ")),
    ],
)
def test_nothing_is_paid_twice_whatever_the_folder_is_called(emulator, run, pictures, tmp_path, name):
    flags = ("--images", pictures(3)[0].parent / "*.png", "--output", f"{tmp_path}/{name}")
    first = run(*flags)
    assert first.code == 0, first.err
    (tmp_path / "out1").mkdir()  # which `out [1]` and `out?x` would match
    second = run(*flags)
    assert second.manifest["skipped"] == {"answered": 3}
    assert emulator.stats()["calls"] == 3
    layout = Layout(f"{tmp_path}/{name}")
    assert len(committed_runs(layout)) == 2
    assert layout.files("journal") == layout.files("staging") == {}


def test_every_command_takes_such_a_name(emulator, run, pictures, listed, tmp_path, capsys):
    output = tmp_path / "a [1]*?#%"
    flags = ("--input", listed(pictures(2, folder="in [*]?")), "--output", output)
    assert run(*flags).code == 0
    assert "2 answered" in run(*flags, command="plan").out
    assert main(["show", str(output)]) == 0
    assert main(["report", str(output)]) == 0
    assert "tags: " in capsys.readouterr().out
    assert all(Page(output).pictures)
    fresh = run("--stored", output, "--output", tmp_path / "again [2]", command="reflatten", features=None)
    assert fresh.code == 0
    assert fresh.manifest["tables"]["images"]["rows"] == 2


def test_a_comma_in_the_name_of_a_list_is_no_separator(emulator, run, pictures, listed):
    assert run("--input", listed(pictures(1), "a,b.txt")).manifest["conservation"]["input"] == 1


def test_only_what_is_named_is_removed(tmp_path):
    for name in ("a[1]", "a1"):
        storage.write_whole(f"{tmp_path}/{name}/f*", b"")
        storage.write_whole(f"{tmp_path}/{name}/f2", b"")
    many.remove_many([f"{tmp_path}/a[1]/f*"])
    assert [file.path for file in many.list_folder(f"{tmp_path}/a[1]")] == [f"{tmp_path}/a[1]/f2"]
    many.remove_folder(f"{tmp_path}/a[1]")
    many.remove_folder(f"{tmp_path}/a[1]")
    assert [*many.list_folder(f"{tmp_path}/a[1]")] == []
    assert len([*many.list_folder(f"{tmp_path}/a1")]) == 2
