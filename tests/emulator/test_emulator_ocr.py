"""Reading real text, where RapidOCR is installed; a clear refusal to start where it is not."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from PIL import Image, ImageDraw, ImageFont

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.emulator.cli import main

from .conftest import Caller, encode

installed = find_spec("rapidocr") is not None


@pytest.mark.skipif(not installed, reason="needs the extra emulator-ocr")
def test_words_are_read_where_they_stand():
    image = Image.new("RGB", (640, 300), "white")
    ImageDraw.Draw(image).text((40, 150), "no parking", fill="black", font=ImageFont.load_default(48))
    with Emulator(ocr=True) as emulator:
        caller = Caller(emulator)
        [line] = caller.analyze(encode(image), "read").json()["readResult"]["blocks"][0]["lines"]
        caller.session.close()
    assert [word["text"] for word in line["words"]] == ["no", "parking"]
    assert all(130 < corner["y"] < 230 for corner in line["boundingPolygon"])
    assert all(0 < word["confidence"] < 1 for word in line["words"])


@pytest.mark.skipif(installed, reason="rapidocr is installed")
def test_without_it_the_emulator_says_what_to_install(capsys):
    assert main(["--ocr", "--port", "0"]) == 2
    assert "emulator-ocr" in capsys.readouterr().err
