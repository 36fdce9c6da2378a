"""Uses the installed package from the empty folder that it is started in: the command, a pipeline, what is shipped.

Run by `.ci/package` with the Python of an environment that holds the wheel and its dependencies, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from PIL import Image

import image_analysis_beam
from image_analysis_beam.emulator import Emulator

COMMAND = Path(sys.executable).parent / "image-analysis-beam"


def said_by(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def main() -> None:
    version = image_analysis_beam.__version__
    assert Path(str(image_analysis_beam.__file__)).is_relative_to(sys.prefix)
    assert said_by(COMMAND, "--version") == f"image-analysis-beam {version}\n"
    assert said_by(sys.executable, "-m", "image_analysis_beam", "--version") == f"image-analysis-beam {version}\n"
    assert files("image_analysis_beam.transforms").joinpath("providers.yaml").is_file()
    examples = {Path(str(path)).name for path in files("image_analysis_beam.examples").iterdir()}
    assert {"pipeline.yaml", "custom_model.py", "dead_letters_to_rows.py", "own_source_and_sink.py"} <= examples
    refused = subprocess.run([COMMAND, "fly"], capture_output=True, text=True).stderr
    assert Path(refused.rpartition("(")[2].partition("#")[0]).is_file(), refused

    Image.new("RGB", (64, 64), (200, 40, 40)).save("red.png")
    with Emulator(key="key") as emulator:
        os.environ |= {"VISION_ENDPOINT": emulator.url, "VISION_KEY": "key"}
        job = ["--images", "red.png", "--output", "out", "--features", "tags", "--requests_per_second", "50"]
        assert "1 image: 1 analyzed" in said_by(COMMAND, "run", *job)
        assert Path("out/report.html").stat().st_size > 10_000
        pipeline = Path(__file__).with_name("user_pipeline.py")
        said = said_by(sys.executable, pipeline, emulator.url, "red.png", "none.png")
        assert said.startswith(version)
        assert "unreadable_image" in said
    print(f"image-analysis-beam {version} works from {Path.cwd()}")


if __name__ == "__main__":
    main()
