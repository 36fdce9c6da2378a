"""The likeliest troubles: from the message to its entry of troubleshooting, and by the fix there to exit code 0."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.troubleshooting import PAGE
from image_analysis_beam.transforms.ledger.start import start_run
from stand_ins.other_owner import other_process

TEXT = (Path(__file__).parents[2] / PAGE).read_text("utf-8")
KEY = "key"
RIGHT = "--images {images} --output {out} --features tags --requests_per_second 200"


class Trouble(NamedTuple):
    """What is wrong in the line or the environment of a run, and what its entry says is to be done."""

    entry: str
    fix: str  # words of the entry's fix
    line: str = RIGHT
    environment: dict[str, str] | None = None


class Incomplete(NamedTuple):
    """As above, of a run that has begun: with the line and environment of the second one, in the same folder."""

    code: int
    trouble: Trouble
    then_line: str = RIGHT
    then: dict[str, str] | None = None


REFUSED = [
    Trouble("unauthorized", "export the right `VISION_KEY`", environment={"VISION_KEY": "another"}),
    Trouble("key", "export VISION_KEY", environment={"VISION_KEY": ""}),
    Trouble("endpoint", "export VISION_ENDPOINT", environment={"VISION_ENDPOINT": ""}),
    Trouble("lists-and-images", "correct `--input`, `--images`", RIGHT.replace("{images}", "{images}/*.jpg")),
    Trouble("the-output-folder", "name a folder that you may write", RIGHT.replace("{out}", "{file}/out")),
    Trouble("commands-and-flags", "suggests the nearest", RIGHT.replace("features", "feature")),
]
LIMITED = f"{RIGHT} --max_calls 2"
OWNED = RIGHT.replace("{out}", "{owned}")
BROKEN = f"{RIGHT} --images {{broken}} --max_dead_letters"
INCOMPLETE = [
    Incomplete(3, Trouble("over_budget", "the same command goes on", LIMITED), LIMITED),
    Incomplete(
        3,
        Trouble("untrusted_certificate", "REQUESTS_CA_BUNDLE", environment={"VISION_ENDPOINT": "{tls}"}),
        then={"VISION_ENDPOINT": "{tls}", "REQUESTS_CA_BUNDLE": "{certificates}"},
    ),
    Incomplete(5, Trouble("exit-code-5", "`--take_over RUN_ID`", OWNED), f"{OWNED} --take_over {{owner}}"),
]
IN_MORE_TIME = [
    Incomplete(3, Trouble("retired_version", "leave `--api_version` out", f"{RIGHT} --api_version 2023-04-01-preview")),
    Incomplete(
        3, Trouble("unknown_host", "correct the spelling", RIGHT, {"VISION_ENDPOINT": "https://nobody.invalid"})
    ),
    Incomplete(
        3, Trouble("connection_refused", "correct the port", RIGHT, {"VISION_ENDPOINT": "http://127.0.0.1:{closed}"})
    ),
    Incomplete(
        3, Trouble("rejected_request", "leave `caption,denseCaptions` out", RIGHT.replace("tags", "caption,tags"))
    ),
    Incomplete(3, Trouble("too_many_dead_letters", "raise `--max_dead_letters`", f"{BROKEN} 0"), f"{BROKEN} 1"),
]


@pytest.fixture(scope="module")
def known(tmp_path_factory, make_picture):
    """What the lines and environments name; endpoints that stay while the module's tests run."""
    folder = tmp_path_factory.mktemp("troubles")
    (folder / "images").mkdir()
    for index in range(3):
        make_picture(folder / "images" / f"{index}.png", index)
    (folder / "file").write_text("no folder")
    (folder / "broken.png").write_text("no image")
    with (
        Emulator(key=KEY, region="Sweden Central", retired=True) as emulator,
        Emulator(key=KEY, tls=True) as secure,
        socket.socket() as unused,
    ):
        unused.bind(("127.0.0.1", 0))
        places = {name: str(folder / name) for name in ("images", "file", "broken.png")}
        yield places | {
            "broken": places["broken.png"],
            "url": emulator.url,
            "tls": secure.url,
            "certificates": str(secure.ca_path),
            "closed": str(unused.getsockname()[1]),
        }


@pytest.fixture
def command(known, tmp_path, monkeypatch, capsys):
    """`command(line, environment)`: exit code and output of a run."""
    names = known | {"out": str(tmp_path / "out"), "owned": str(tmp_path / "owned")}

    def run(line: str, environment: dict[str, str] | None) -> tuple[int, str, str]:
        if "{owned}" in line and "owner" not in names:
            names["owner"] = start_run(names["owned"], owner=other_process()).run_id
        for name, value in ({"VISION_ENDPOINT": names["url"], "VISION_KEY": KEY} | (environment or {})).items():
            monkeypatch.setenv(name, value.format(**names))
        return main(["run", *line.format(**names).split()]), *capsys.readouterr()

    return run


def follow(said: str, trouble: Trouble) -> None:
    """From the message to the fix."""
    (entry,) = set(re.findall(rf"\({re.escape(PAGE)}#([\w-]+)\)", said))
    assert entry == trouble.entry
    assert trouble.fix in fix_of(entry)


def is_whole(code: int, out: str, said: str) -> bool:
    assert code == 0, said
    return bool(re.search(r"^\d+ images?: .* 0 deferred", out, re.MULTILINE))


def test_what_is_refused_leads_to_the_right_command(command, tmp_path):
    """It leaves nothing behind, so that the right command is the same for all."""
    for trouble in REFUSED:
        code, out, said = command(trouble.line, trouble.environment)
        assert (code, out) == (2, ""), said
        follow(said, trouble)
        assert not (tmp_path / "out").exists()
    assert is_whole(*command(RIGHT, None))


@pytest.mark.parametrize(
    "case",
    [*INCOMPLETE, *(pytest.param(case, marks=pytest.mark.long) for case in IN_MORE_TIME)],
    ids=lambda case: case.trouble.entry,
)
def test_what_is_left_is_answered_in_the_end(case, command):
    code, _, said = command(case.trouble.line, case.trouble.environment)
    assert code == case.code, said
    follow(said, case.trouble)
    assert is_whole(*command(case.then_line, case.then))


def test_dead_letters_lead_to_their_classes(emulator, run, pictures, listed, tmp_path):
    lost, damaged, well = pictures(3)
    elsewhere = shutil.move(lost, tmp_path / "elsewhere.png")
    damaged.write_text("no image")
    line = ("--input", listed([lost, damaged, well]))
    first = run(*line)
    assert first.code == 0
    assert f"({PAGE}#single-images)" in first.out
    assert {name for (name,) in first.rows("dead_letters", "class")} == {"unreadable_image", "invalid_image"}

    shutil.move(elsewhere, lost)
    shutil.copy(well, damaged)
    assert "The next run tries again" in fix_of("unreadable_image")
    assert run(*line).manifest["conservation"]["analyzed"] == 1
    assert "`--redrive invalid_image`" in fix_of("invalid_image")
    assert run(*line, "--redrive", "invalid_image").manifest["conservation"]["analyzed"] == 1


def fix_of(entry: str) -> str:
    heading = entry.replace("-", "[ -]")
    found = re.search(rf"^### {heading}\n.*?^- Fix: (.+)$", TEXT, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    assert found, entry
    return found[1]
