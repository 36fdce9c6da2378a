"""Shared by the tests of the tables: answers of the contract, and tables of responses that hold them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from image_analysis_beam.schemas import TABLES
from image_analysis_beam.schemas.outcomes import Analyzed

_ANSWERS = Path(__file__).parent / "answers"


@pytest.fixture(scope="session")
def contract_bodies() -> dict[str, str]:
    """The answers of the contract, by name, as the service sends them."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(_ANSWERS.glob("*.json"))}


@pytest.fixture(scope="session")
def analyzed() -> Callable[..., Analyzed]:
    """`analyzed(body, image=3)`: the outcome of image 3; further keywords replace its fields."""

    def make(body: Any, image: int = 0, **fields: Any) -> Analyzed:
        outcome = Analyzed(
            image_id=f"{image:032x}",
            image_uri=f"https://photos.example/{image}.jpg",
            fingerprint="v1-0123456789abcdef",
            run_id="20260102T030405Z-ab12",
            api_version="2024-02-01",
            features=("tags", "read"),
            model_name=None,
            body=body if isinstance(body, str) else json.dumps(body, separators=(",", ":")),
            request_id=f"request-{image}",
            region="West US",
            billed_units=1,
            latency_ms=12.5,
            attempts=2,
            maybe_billed=True,
            bytes_sent=70,
            redrive_count=0,
            analyzed_at=datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc) + timedelta(seconds=image),
        )
        return outcome._replace(**fields)

    return make


@pytest.fixture(scope="session")
def responses(analyzed: Callable[..., Analyzed]) -> Callable[..., pa.Table]:
    """`responses(body, …)`: a table of the schema `responses`; image i has the i-th body."""

    def make(*bodies: Any) -> pa.Table:
        return TABLES["responses"].to_table([analyzed(body, image) for image, body in enumerate(bodies)])

    return make
