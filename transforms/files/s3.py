"""Amazon S3 and what speaks its protocol, through boto3 and Beam's options for it (`--s3_endpoint_url` …)."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from copy import copy
from itertools import groupby
from typing import Any, BinaryIO

import boto3
from apache_beam.io.aws.clients.s3 import boto3_client
from apache_beam.io.aws.clients.s3.messages import S3ClientError
from apache_beam.io.aws.s3io import S3IO, parse_s3_path
from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import PipelineOptions, S3Options
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .store import Found, io_errors, opened

_ERRORS = (ClientError, BotoCoreError, S3ClientError)
_GONE, _CONFLICT, _EXISTS = 404, 409, 412
_CONFLICTS = 8  # 13 s of them, in the mean


class S3Store:
    """Objects of `s3://bucket/key`."""

    requests_at_once = 50
    names_per_removal = 1000  # what DeleteObjects takes
    weakness: str | None = None

    def __init__(self, options: PipelineOptions, pause: Callable[[float], None] = time.sleep) -> None:
        self._client, self._pause = _client(options, self.requests_at_once), pause
        self._beams = boto3_client.Client(options)
        self._beams.client = self._client

    def find(self, path: str) -> Found | None:
        bucket, key = parse_s3_path(path)
        with io_errors("Find operation", path, *_ERRORS):
            try:
                found = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _status(error) == _GONE:
                    return None
                raise
        return Found(path, found["ContentLength"], found["LastModified"].timestamp(), _etag(found))

    def listing(self, prefix: str) -> Iterator[Found]:
        bucket, start = parse_s3_path(prefix, object_optional=True)
        with io_errors("List operation", prefix, *_ERRORS):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start):
                for found in page.get("Contents", ()):
                    path = f"s3://{bucket}/{found['Key']}"
                    yield Found(path, found["Size"], found["LastModified"].timestamp(), _etag(found))

    def open(self, path: str) -> BinaryIO:
        # Beam asks this too, but for minutes again and again, also where there are no credentials.
        if self.find(path) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self._opened(path, "rb")

    def read_first(self, path: str, most: int) -> tuple[bytes, str | None]:
        bucket, key = parse_s3_path(path)
        with io_errors("Read operation", path, *_ERRORS):
            try:
                found = self._client.get_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _status(error) == _GONE:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
                raise
            with closing(found["Body"]) as body:
                return body.read(most), _etag(found)

    def open_new(self, path: str) -> BinaryIO:
        return self._opened(path, "wb")

    def read(self, path: str) -> bytes | None:
        bucket, key = parse_s3_path(path)
        with io_errors("Read operation", path, *_ERRORS):
            try:
                return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if _status(error) == _GONE:
                    return None
                raise

    def put(self, path: str, data: bytes) -> None:
        bucket, key = parse_s3_path(path)
        with io_errors("Write operation", path, *_ERRORS):
            self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def create(self, path: str, data: bytes) -> bool:
        """A conflict (409) is neither yes nor no: something else happened to the name meanwhile."""
        bucket, key = parse_s3_path(path)
        with io_errors("Create operation", path, *_ERRORS):
            for attempt in range(_CONFLICTS):
                try:
                    self._client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
                    return True
                except ClientError as error:
                    if _status(error) == _EXISTS:
                        return False
                    if _status(error) != _CONFLICT or attempt == _CONFLICTS - 1:
                        raise
                self._pause(random.uniform(0, 0.1 * 2**attempt))
        raise AssertionError("unreachable")

    def move(self, source: str, target: str) -> None:
        """One request copies up to 5 GB."""
        (bucket, key), (target_bucket, target_key) = parse_s3_path(source), parse_s3_path(target)
        with io_errors("Rename operation", source, *_ERRORS):
            try:
                self._client.copy_object(
                    Bucket=target_bucket, Key=target_key, CopySource={"Bucket": bucket, "Key": key}
                )
            except ClientError as error:
                if _status(error) != _GONE or self.find(target) is None:
                    raise
            self._client.delete_object(Bucket=bucket, Key=key)

    def remove(self, paths: list[str]) -> None:
        for bucket, names in groupby(sorted(map(parse_s3_path, paths)), key=lambda name: name[0]):
            objects = [{"Key": key} for _, key in names]
            with io_errors("Delete operation", paths[0], *_ERRORS):
                done = self._client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if failed := {f"s3://{bucket}/{error['Key']}": error["Code"] for error in done.get("Errors", ())}:
                raise BeamIOError("Delete operation failed", failed)

    def _opened(self, path: str, mode: str) -> BinaryIO:
        """Beam's client remembers the download that it is in; so each file has one, around the same client of boto3."""
        return opened(lambda: S3IO(client=copy(self._beams)).open(path, mode), path, *_ERRORS)


def _client(options: PipelineOptions, connections: int) -> Any:
    """What Beam makes, with more connections: by itself boto3 keeps 10 and drops the others."""
    given = options.view_as(S3Options)
    return boto3.session.Session().client(
        "s3",
        region_name=given.s3_region_name,
        api_version=given.s3_api_version,
        use_ssl=not given.s3_disable_ssl,
        verify=given.s3_verify,
        endpoint_url=given.s3_endpoint_url,
        aws_access_key_id=given.s3_access_key_id,
        aws_secret_access_key=given.s3_secret_access_key,
        aws_session_token=given.s3_session_token,
        config=Config(max_pool_connections=connections),
    )


def _etag(found: Mapping[str, Any]) -> str | None:
    return found["ETag"].strip('"') if "ETag" in found else None


def _status(error: ClientError) -> int | None:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
