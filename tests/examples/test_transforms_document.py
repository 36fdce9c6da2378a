"""`docs/transforms.md`: its Python is one program and its YAML a pipeline; both are run as they stand."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import apache_beam as beam
import duckdb
import jsonschema
import pytest
from apache_beam.yaml import main

from image_analysis_beam import transforms
from image_analysis_beam.transforms import AnalyzeImages, AnalyzeRequest, ConfigurationError, yaml
from stand_ins.forked import run_forked

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "transforms.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


def test_every_public_transform_has_its_section():
    public = [name for name in transforms.__all__ if is_transform(getattr(transforms, name))]
    assert set(public) <= set(re.findall(r"^## (\w+)$", DOCUMENT, re.MULTILINE))


def is_transform(member: object) -> bool:
    return isinstance(member, type) and issubclass(member, beam.PTransform)


def test_the_snippets_are_a_job_that_adds_up(emulator, uris, broken, tmp_path):
    done = run_forked([sys.executable, "-c", "\n".join(blocks("python"))], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (manifest,) = (json.loads(path.read_text()) for path in tmp_path.glob("out/runs/*.json"))
    jsonschema.validate(manifest, json.loads((ROOT / "docs" / "manifest.schema.json").read_text()))
    expected = {"input": 13, "analyzed": 12, "dead_letters": 1, "deferred": 0, "skipped": 0, "duplicates": 0}
    assert manifest["conservation"].items() >= expected.items()
    captions = "SELECT count(*) FROM read_parquet('{}/out/captions/run=*/*.parquet')"
    assert duckdb.sql(captions.format(tmp_path)).fetchall() == [(12,)]
    assert not list(tmp_path.glob("out/journal/*/*"))
    assert "dead_letters missing.png" in done.stdout
    assert emulator.stats()["calls"] == 12


def test_the_yaml_pipeline_takes_rows_of_ones_own(emulator, pictures, broken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (picture,) = pictures(1)
    Path("products.csv").write_text(f"sku,photo,price\nmug,{picture},3.5\nlid,{broken},1\ncup,{picture},2\n")
    (pipeline,) = blocks("yaml")
    Path("pipeline.yaml").write_text(pipeline)
    Path("providers.yaml").write_text((ROOT / "transforms/providers.yaml").read_text())
    variables = json.dumps({"endpoint": emulator.url})
    main.run(["--yaml_pipeline_file=pipeline.yaml", f"--jinja_variables={variables}", "--runner=FnApiRunner"])
    (answers,) = tmp_path.glob("answers.json*")
    kept = []
    for answer in map(json.loads, answers.read_text().splitlines()):
        assert answer["image_uri"] == str(picture)
        assert json.loads(answer["body"])["tagsResult"]["values"]
        kept.append((answer["sku"], answer["price"]))
    assert sorted(kept) == [("cup", 2.0), ("mug", 3.5)], "the fields of a row stay with its outcome"
    assert emulator.stats()["calls"] == 1
    (unanswered,) = tmp_path.glob("unanswered.csv*")
    (failure,) = csv.DictReader(unanswered.read_text().splitlines())
    assert (failure["sku"], failure["image_uri"], failure["fault"]) == ("lid", str(broken), "invalid_image")


def test_a_field_of_the_outcomes_cannot_be_kept(emulator):
    rows = beam.Pipeline(runner="FnApiRunner") | beam.Create([beam.Row(uri="a.png", features="mine")])
    with pytest.raises(ConfigurationError, match="field 'features' of the rows"):
        rows | yaml.AnalyzeImages(emulator.url, "tags")


@pytest.mark.parametrize("name", ["analyzed", "stats"])
def test_the_error_output_cannot_hide_another_one(name, emulator):
    with pytest.raises(ConfigurationError, match=f"error_handling.*{name}"):
        AnalyzeImages(AnalyzeRequest(features="tags"), emulator.url, error_handling={"output": name})
