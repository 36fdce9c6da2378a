"""Where there are no credentials for `s3://`, an image cannot be read, at once."""

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from image_analysis_beam.transforms.files.s3 import S3Store


def test_no_credentials_are_told_of_at_once(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    store = S3Store(PipelineOptions(["--s3_endpoint_url=http://127.0.0.1:9", "--s3_region_name=us-east-1"]))
    with pytest.raises(OSError, match="Unable to locate credentials"):
        store.open("s3://bucket/image.png")
