"""`examples/pipeline.yaml`, run by Beam YAML offline with the providers of `providers.yaml`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from apache_beam.yaml import main

from image_analysis_beam.pipeline.__main__ import main as image_analysis_beam

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "examples" / "pipeline.yaml"
PROVIDERS = ROOT / "transforms" / "providers.yaml"
MANIFEST = json.loads((ROOT / "docs" / "manifest.schema.json").read_text())


def run_yaml(url: str, uris: Path, output: Path) -> None:
    variables = {"uris": str(uris), "output": str(output), "endpoint": url}
    main.run([f"--yaml_pipeline_file={PIPELINE}", f"--jinja_variables={json.dumps(variables)}", "--runner=FnApiRunner"])


def unanswered(output: Path) -> list[dict[str, Any]]:
    lines = [line for path in output.glob("unanswered.json*") for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_the_pipeline_writes_tables_and_failures(emulator, uris, broken, tmp_path):
    output = tmp_path / "out"
    run_yaml(emulator.url, uris, output)
    for table in ("images", "captions", "tags", "responses"):
        images = f"SELECT count(DISTINCT image_id) FROM read_parquet('{output}/{table}/run=*/*.parquet')"
        assert duckdb.sql(images).fetchall() == [(12,)]
    (failure,) = unanswered(output)
    assert (failure["fault"], failure["retryable"]) == ("invalid_image", False)
    assert failure["image_uri"] == str(broken)
    assert (failure["list"], failure["position"]) == (str(uris), 13)
    assert emulator.stats()["calls"] == 12


def test_the_job_knows_the_answers_of_the_yaml_pipeline(emulator, uris, tmp_path):
    """Both write the same tables and manifests: what one paid for the other does not pay for again."""
    output = tmp_path / "out"
    run_yaml(emulator.url, uris, output)
    (manifest,) = (json.loads(path.read_text()) for path in output.glob("runs/*.json"))
    jsonschema.validate(manifest, MANIFEST)
    assert emulator.stats()["calls"] == 12
    code = image_analysis_beam(["run", "--input", str(uris), "--output", str(output), "--features", "caption,tags"])
    assert code == 0
    assert emulator.stats()["calls"] == 12


FITTED = """
pipeline:
  type: chain
  transforms:
    - type: Create
      config: {elements: [{uri: '%(photo)s'}]}
    - type: AnalyzeImages
      config: {endpoint: '%(url)s', features: objects, fit: %(fit)s}
    - type: WriteImageTables
      config: {output: '%(output)s'}
providers:
  - include: %(providers)s
"""


def run_fitted(url: str, fit: int, photo: Path, output: Path) -> None:
    text = FITTED % {"photo": photo, "url": url, "fit": fit, "output": output, "providers": PROVIDERS}
    main.run([f"--yaml_pipeline={text}", "--runner=FnApiRunner"])


def test_images_are_fitted_and_the_tables_are_of_the_image_itself(emulator, pictures, tmp_path):
    (photo,), output = pictures(1, width=640), tmp_path / "out"
    run_fitted(emulator.url, 320, photo, output)
    columns = "width, fit, sent_width, sent_format, content_bytes"
    images = duckdb.sql(f"SELECT {columns} FROM read_parquet('{output}/images/run=*/*.parquet')").fetchall()
    assert images == [(640, 320, 320, "JPEG", photo.stat().st_size)]


def test_a_side_that_cannot_be_is_refused_before_anything_runs(emulator, pictures, tmp_path):
    with pytest.raises(ValueError, match="fit 63"):
        run_fitted(emulator.url, 63, *pictures(1), tmp_path / "out")


ROWS = """
pipeline:
  transforms:
    - type: Create
      config: {elements: [{sku: a, photo: '%(photo)s'}, {sku: b, photo: null}, {sku: c, photo: null}]}
    - type: AnalyzeImages
      input: Create
      config: {endpoint: '%(url)s', features: tags, uri_field: photo, error_handling: {output: unanswered}}
    - type: WriteToJson
      input: AnalyzeImages.unanswered
      config: {path: '%(output)s/unanswered.json'}
providers:
  - include: %(providers)s
"""


def test_rows_without_an_image_have_outcomes_of_their_own(emulator, pictures, tmp_path):
    (photo,) = pictures(1)
    text = ROWS % {"photo": photo, "url": emulator.url, "output": tmp_path, "providers": PROVIDERS}
    main.run([f"--yaml_pipeline={text}", "--runner=FnApiRunner"])
    failed = sorted((row["sku"], row["fault"], row["message"]) for row in unanswered(tmp_path))
    assert failed == [(sku, "invalid_uri", "the URI is empty") for sku in "bc"]
    assert emulator.stats()["calls"] == 1
