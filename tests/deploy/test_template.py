"""The flex template agrees with the flags of the job, and its parameters become flags again."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from image_analysis_beam.pipeline.flags import parse
from image_analysis_beam.pipeline.options import ImageAnalysisOptions
from image_analysis_beam.pipeline.template import metadata, to_flags

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_file_is_current():
    """`python -m image_analysis_beam.pipeline.template > deploy/metadata.json` makes it so."""
    assert json.loads((DEPLOY / "metadata.json").read_text()) == metadata()


def test_every_parameter_is_a_flag_that_takes_its_default():
    defaults = ImageAnalysisOptions([]).get_all_options()
    for parameter in metadata()["parameters"]:
        assert parameter["name"] in defaults
        assert len(parameter["helpText"]) > 10
        default = defaults[parameter["name"]]
        for pattern in parameter.get("regexes", []):
            if default is not None:
                assert re.match(pattern, str(default).lower()), parameter


def test_no_parameter_holds_a_secret():
    names = {parameter["name"] for parameter in metadata()["parameters"]}
    assert "key_secret" in names
    assert not [name for name in names if re.search("(key|password|token)$", name)]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (["--gender_neutral_caption=true"], ["--gender_neutral_caption"]),
        (["--gender_neutral_caption=false", "--language="], []),
        (["--save_main_session=True"], ["--save_main_session"]),
        (["--features=caption,tags", "--output=gs://b/out"], ["--features=caption,tags", "--output=gs://b/out"]),
        (["--model_name=true"], ["--model_name=true"]),
    ],
)
def test_parameters_become_flags(parameters, expected):
    assert to_flags(parameters) == expected
    parse(to_flags(parameters))


def test_the_scheduled_request_names_parameters_of_the_template():
    launch = json.loads((DEPLOY / "request.json").read_text())["launchParameter"]
    known = {parameter["name"]: parameter for parameter in metadata()["parameters"]}
    for name, value in launch["parameters"].items():
        assert all(re.match(pattern, value) for pattern in known[name].get("regexes", [])), name
    processes = launch["environment"]["maxWorkers"] * int(launch["environment"]["machineType"].rpartition("-")[2])
    assert int(launch["parameters"]["worker_processes"]) == processes


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda script: script.name)
def test_a_script_says_what_it_needs(script):
    ended = subprocess.run(["bash", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert ended.returncode != 0
    assert "PROJECT: the Google Cloud project" in ended.stderr
