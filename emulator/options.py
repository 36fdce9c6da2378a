"""What is fixed when the emulator starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ModelKind = Literal["classifier", "detector"]


@dataclass(frozen=True)
class Options:
    """`tokens` are bearer tokens accepted besides those that `issueToken` hands out, which last `token_seconds`.

    `models` are the custom models by name. `ocr` reads real text if rapidocr is installed. `lenient_json` accepts
    single-quoted bodies as the official curl samples send them. `fetch_seconds` bounds the download of an image URL,
    `workers` is the number of threads that analyse pictures. `tls` speaks HTTPS only.
    """

    key: str = "emulator-key"
    tokens: tuple[str, ...] = ()
    token_seconds: float = 600.0
    models: Mapping[str, ModelKind] = field(default_factory=dict)
    region: str = "West US"
    ocr: bool = False
    lenient_json: bool = False
    fetch_seconds: float = 10.0
    workers: int = 2
    tls: bool = False

    def __post_init__(self) -> None:
        for name, kind in self.models.items():
            if kind not in ("classifier", "detector"):
                raise ValueError(f"model {name}: must be classifier or detector, got {kind!r}")
        if self.workers < 1:
            raise ValueError(f"workers: must be at least 1, got {self.workers}")
